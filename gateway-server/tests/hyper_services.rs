//! A hyper service over hyper's own body goes in as it is, and nothing is weaker for it.

mod common;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use common::{Running, statuses};
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// What came, and whether a length was known beforehand.
async fn describe(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let length = request.body().size_hint().exact();
    let text = match request.into_body().collect().await {
        Ok(body) => {
            let sum = body
                .trailers()
                .and_then(|fields| fields.get("x-sum"))
                .cloned();
            let body = body.to_bytes();
            let is_whole = body
                .iter()
                .enumerate()
                .all(|(at, byte)| *byte == pattern(at));
            format!("{length:?} {} {is_whole} {sum:?}", body.len())
        }
        Err(error) => format!("failed: {error:?}"),
    };
    Ok(Response::new(text))
}

fn pattern(at: usize) -> u8 {
    b"abcdefg"[at % 7]
}

fn pieces(sizes: &[usize]) -> Vec<Bytes> {
    let mut at = 0;
    let piece = |size: &usize| {
        let piece = (at..at + size).map(pattern).collect();
        at += size;
        piece
    };
    sizes.iter().map(piece).collect()
}

#[tokio::test]
async fn a_body_of_either_framing_arrives_whole() {
    let server = Running::start(service_fn(describe));
    let mut client = server.client().await;
    for sizes in [&[3][..], &[1, 100_000, 7, 300_000], &[]] {
        let pieces = pieces(sizes);
        let length: usize = sizes.iter().sum();
        let framed = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.send(framed).await;
        for piece in &pieces {
            client.send(piece).await;
        }
        let expected = format!("Some({length}) {length} true None");
        assert_eq!(client.response().await.text(), expected);
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        for piece in &pieces {
            client.send(format!("{:x}\r\n", piece.len())).await;
            client.send(piece).await.send("\r\n").await;
        }
        client.send("0\r\n\r\n").await;
        let expected = format!("None {length} true None");
        assert_eq!(client.response().await.text(), expected);
    }
}

#[tokio::test]
async fn trailers_arrive_over_either_version() {
    let server = Running::start(service_fn(describe));
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n")
        .await;
    assert_eq!(client.response().await.text(), "None 3 true Some(\"9\")");

    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "9".parse().unwrap());
    let frames = pieces(&[70_000, 70_000]).into_iter().map(Frame::data);
    let frames = frames
        .chain([Frame::trailers(trailers)])
        .map(Ok::<_, Infallible>);
    let body = StreamBody::new(stream::iter(frames.collect::<Vec<_>>()));
    let request = Request::post("http://a/").body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "None 140000 true Some(\"9\")");
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408() {
    let server = Running::with(service_fn(describe), |server| {
        server.body_read_timeout(Duration::from_millis(300))
    });
    for beginning in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut client = server.client().await;
        client.send(beginning).await;
        assert_eq!(statuses(&client.rest().await), [408], "{beginning:?}");
    }
}

#[tokio::test]
async fn the_100_is_sent_when_the_body_is_first_read() {
    let server = Running::start(service_fn(|request: Request<Incoming>| async move {
        sleep(Duration::from_millis(300)).await;
        describe(request).await
    }));
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    let early = timeout(Duration::from_millis(100), client.until("100 Continue")).await;
    assert!(early.is_err(), "before anybody has read");
    client.until("100 Continue\r\n\r\n").await;
    client.send("abc").await;
    assert_eq!(client.response().await.text(), "Some(3) 3 true None");
}

#[tokio::test]
async fn a_body_can_be_echoed_while_it_comes() {
    let server = Running::start(service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for word in ["one", "two"] {
        client.send(format!("3\r\n{word}\r\n")).await;
        client.until(&format!("3\r\n{word}\r\n")).await;
    }
    client.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_holds_nothing_up() {
    let server = Running::start(service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new("unread".to_string()))
    }));
    let mut client = server.client().await;
    for _ in 0..3 {
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            .await;
        assert_eq!(client.response().await.text(), "unread");
    }
}
