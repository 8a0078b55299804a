//! Where a response ends, whatever the application says of it: over HTTP/1 and HTTP/2.

mod common;

use common::framing::{self, Case, Got};
use common::{Client, Running, status};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::service_fn;

/// The values of the field `name` in `head`.
fn values(head: &str, name: &str) -> Vec<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// Takes a chunked body off the front of `text`: the body, and whether it has its end.
fn dechunk(mut text: &str) -> (String, bool, &str) {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true, rest.strip_prefix("\r\n").unwrap());
        }
        body.push_str(&rest[..size]);
        text = rest[size..].strip_prefix("\r\n").unwrap();
    }
    (body, false, text)
}

/// Reads `text` as a client does that believes what it is told, and expects `next` behind it.
fn read(case: &Case, text: &str, is_last: bool) -> Result<Got, String> {
    let Some((head, rest)) = text.split_once("\r\n\r\n") else {
        return Err(format!("no head in {text:?}"));
    };
    let lengths = values(head, "content-length");
    let codings = values(head, "transfer-encoding");
    if values(head, "connection").contains(&"content-length".to_owned()) {
        return Err("a proxy would take the length away".to_owned());
    }
    let bodiless = case.method == "HEAD" || matches!(status(head), 204 | 304);
    let (content, is_whole, rest) = if bodiless {
        (String::new(), true, rest)
    } else if codings == ["chunked"] {
        dechunk(rest)
    } else if let [length] = &*lengths {
        let length: usize = length.parse().unwrap();
        let (content, rest) = rest.split_at(length.min(rest.len()));
        (content.to_owned(), content.len() == length, rest)
    } else {
        (rest.to_owned(), is_last, "")
    };
    if !codings.is_empty() && (codings != ["chunked"] || bodiless || !lengths.is_empty()) {
        return Err(format!("codings {codings:?} in {head}"));
    }
    let is_next = rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\nnext");
    let is_cut = !is_whole || (!is_last && rest.is_empty());
    if !rest.is_empty() && !is_next {
        return Err(format!("{rest:?} in place of the next response"));
    }
    Ok(Got {
        status: status(head),
        lengths,
        content,
        is_cut,
    })
}

#[tokio::test]
async fn a_response_ends_where_the_table_says_over_http_1() {
    let server = Running::start(service_fn(framing::answer));
    let mut wrong = Vec::new();
    for (number, case) in framing::cases().iter().enumerate() {
        for version in ["1.1", "1.0"] {
            let is_last = version == "1.0";
            let mut client = Client::connect(server.addr).await;
            let method = &case.method;
            let first = format!("{method} / HTTP/{version}\r\nHost: a\r\nX-Case: {number}\r\n\r\n");
            let next = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            client.send(&first).await;
            if !is_last {
                client.send(next).await;
            }
            let text = client.rest().await;
            let is_silent = text.is_empty() && case.may_be_silent();
            let got = read(case, &text, is_last);
            let differs = match &got {
                _ if is_silent => None,
                Ok(got) => case.differs(got),
                Err(text) => Some(format!("{}\n   {text}", case.name)),
            };
            wrong.extend(differs.map(|differs| format!("HTTP/{version}: {differs}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_response_ends_where_the_table_says_over_http_2() {
    let server = Running::start(service_fn(framing::answer));
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut wrong = Vec::new();
    for (number, case) in framing::cases().iter().enumerate() {
        let request = Request::builder().method(&*case.method).uri("http://a/");
        let request = request.header(framing::FIELD, number.to_string());
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let Ok(response) = sender.send_request(request).await else {
            if !case.may_be_silent() {
                wrong.push(format!("{}\n   no response", case.name));
            }
            continue;
        };
        let status = response.status().as_u16();
        let fields = response.headers();
        assert!(!fields.contains_key("transfer-encoding"), "{}", case.name);
        let lengths = fields.get_all("content-length").iter();
        let lengths = lengths.map(|value| value.to_str().unwrap().to_owned());
        let lengths = lengths.collect();
        let (mut content, mut is_cut) = (String::new(), false);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    let data = frame.data_ref().unwrap();
                    content.push_str(std::str::from_utf8(data).unwrap());
                }
                Err(_) => {
                    is_cut = true;
                    break;
                }
            }
        }
        wrong.extend(case.differs(&Got {
            status,
            lengths,
            content,
            is_cut,
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
