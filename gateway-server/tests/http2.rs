//! HTTP/2 on the same port.

mod common;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Running, hello, statuses};
use futures_util::stream;
use gateway_core::{Body, RequestExt};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower::service_fn;

const SHORT: Duration = Duration::from_millis(300);

type Sender<B> = SendRequest<B>;

async fn connect<B>(server: &Running) -> Sender<B>
where
    B: http_body::Body<Data: Send, Error: Into<gateway_core::BoxError>> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}

async fn assert_closed<B>(mut sender: Sender<B>) {
    let closed = async {
        while sender.ready().await.is_ok() {
            sleep(SHORT / 10).await;
        }
    };
    timeout(common::PATIENCE, closed).await.expect("still open");
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://a{path}"))
        .body(Empty::new())
        .unwrap()
}

#[tokio::test]
async fn the_first_bytes_choose_the_protocol() {
    let server = Running::start(service_fn(|request: Request<Body>| async move {
        let text = format!("{:?} {}", request.version(), request.raw_path_info());
        Ok::<_, Infallible>(Response::new(text))
    }));
    assert_eq!(
        server.client().await.get("/one").await.text(),
        "HTTP/1.1 /one"
    );
    let mut sender = connect(&server).await;
    for _ in 0..3 {
        let response = sender.send_request(get("/two")).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "HTTP/2.0 /two");
    }
}

#[tokio::test]
async fn bodies_and_trailers_go_both_ways() {
    let echo = service_fn(|request: Request<Body>| async move {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let server = Running::start(echo);
    let mut sender = connect(&server).await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let body = Full::new(Bytes::from(vec![b'x'; 300_000]))
        .with_trailers(async move { Some(Ok(trailers)) })
        .boxed_unsync();
    let request = Request::post("http://a/").body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "7");
    assert_eq!(collected.to_bytes().len(), 300_000);
}

#[tokio::test]
async fn a_panic_ends_one_stream_and_not_the_connection() {
    let server = Running::start(service_fn(|request: Request<Body>| async move {
        assert!(request.uri().path() != "/panic", "in the future");
        hello(request).await
    }));
    let mut sender = connect(&server).await;
    let (panicked, fine) = tokio::join!(
        sender.clone().send_request(get("/panic")),
        sender.send_request(get("/"))
    );
    assert_eq!(panicked.unwrap().status(), 500);
    assert_eq!(fine.unwrap().status(), 200);
}

#[tokio::test]
async fn a_host_that_contradicts_the_authority_is_answered_400() {
    let server = Running::start(service_fn(hello));
    let mut sender = connect(&server).await;
    for (authority, host, expected) in [
        ("a", "b", 400),
        ("a", "a/", 400),
        ("a", "a", 200),
        ("a", "A", 200),
        // RFC 3986 section 6.2.3: the default port of the scheme is none.
        ("a", "a:80", 200),
        ("a:80", "a", 200),
        ("a", "a:", 200),
        ("a:80", "A:", 200),
        ("[::1]", "[::1]:80", 200),
        ("a", "a:443", 400),
        ("a:8080", "a", 400),
        ("a:8080", "a:80", 400),
        ("a:80", "b:80", 400),
    ] {
        let request = Request::get(format!("http://{authority}/")).header("host", host);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(
            sender.send_request(request).await.unwrap().status(),
            expected,
            "{authority} {host}"
        );
    }
}

#[tokio::test]
async fn limits_hold_for_each_request() {
    let read = service_fn(|request: Request<Body>| async move {
        let body = request.into_body().collect().await?;
        Ok::<_, gateway_core::BoxError>(Response::new(body.to_bytes().len().to_string()))
    });
    let server = Running::with(read, |server| server.max_body(1000).max_headers(10));
    let mut sender = connect(&server).await;
    for (length, expected) in [(1000, 200), (1001, 413)] {
        let body = Full::new(Bytes::from(vec![b'x'; length])).boxed_unsync();
        let request = Request::post("http://a/").body(body).unwrap();
        assert_eq!(
            sender.send_request(request).await.unwrap().status(),
            expected,
            "{length}"
        );
        let pieces = stream::iter([Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(
            vec![b'x'; length],
        )))]);
        let request = Request::post("http://a/")
            .body(StreamBody::new(pieces).boxed_unsync())
            .unwrap();
        assert_eq!(
            sender.send_request(request).await.unwrap().status(),
            expected,
            "no length: {length}"
        );
    }
    let mut sender = connect(&server).await;
    let mut request = get("/");
    for number in 0..11 {
        let name: http::HeaderName = format!("x-{number}").parse().unwrap();
        request.headers_mut().insert(name, "a".parse().unwrap());
    }
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408_and_other_streams_go_on() {
    let read = service_fn(|request: Request<Body>| async move {
        let body = request.into_body().collect().await?;
        Ok::<_, gateway_core::BoxError>(Response::new(body.to_bytes().len().to_string()))
    });
    let server = Running::with(read, |server| server.body_read_timeout(SHORT));
    let mut sender = connect(&server).await;
    let silent = StreamBody::new(stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>());
    let request = Request::post("http://a/")
        .body(silent.boxed_unsync())
        .unwrap();
    let began = Instant::now();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 408);
    assert!(began.elapsed() >= SHORT);
    let request = Request::post("http://a/")
        .body(Empty::new().boxed_unsync())
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_away_and_closed() {
    let server = Running::with(service_fn(hello), |server| server.keep_alive_timeout(SHORT));
    let mut sender = connect::<Empty<Bytes>>(&server).await;
    assert_eq!(sender.send_request(get("/")).await.unwrap().status(), 200);
    assert_closed(sender).await;
}

#[tokio::test]
async fn a_client_that_opens_no_window_is_closed_after_the_write_stall_timeout() {
    let (dropped, gone) = tokio::sync::oneshot::channel::<()>();
    let dropped = std::sync::Arc::new(std::sync::Mutex::new(Some(dropped)));
    let service = service_fn(move |_: Request<Body>| {
        let held = dropped.lock().unwrap().take();
        async move {
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            let pieces = stream::repeat_with(move || {
                let _held = &held;
                Ok::<_, Infallible>(http_body::Frame::data(piece.clone()))
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(pieces)))
        }
    });
    let server = Running::with(service, |server| server.write_stall_timeout(SHORT));
    let mut sender = connect(&server).await;
    // The body is held and never read, so its window is never opened again.
    let response = sender.send_request(get("/")).await.unwrap();
    let ended = timeout(common::PATIENCE, gone).await;
    assert!(ended.expect("the response is dropped").is_err());
    drop(response);
}

#[tokio::test]
async fn a_shutdown_finishes_running_streams() {
    let slow = service_fn(|request: Request<Body>| async move {
        sleep(SHORT).await;
        hello(request).await
    });
    let mut server = Running::with(slow, |server| server.shutdown_grace(SHORT / 3));
    let mut sender = connect(&server).await;
    let answer = tokio::spawn(sender.send_request(get("/")));
    sleep(SHORT / 3).await;
    server.begin_shutdown();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
    assert!(server.outcome().await.is_clean());
}

#[tokio::test]
async fn garbage_after_the_preface_closes_the_connection() {
    let server = Running::start(service_fn(hello));
    let mut client = server.client().await;
    client
        .send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no settings frame at all, and never was")
        .await;
    let mut rest = Vec::new();
    let ended = timeout(common::PATIENCE, client.stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open");
    assert!(statuses(&String::from_utf8_lossy(&rest)).is_empty());
}

#[tokio::test]
async fn answers_that_have_no_content_have_none_over_http_2() {
    let server = Running::start(service_fn(|request: Request<Body>| async move {
        let mut response = Response::new("hello".to_string());
        if let Ok(status) = request.uri().path()[1..].parse::<StatusCode>() {
            *response.status_mut() = status;
        }
        Ok::<_, Infallible>(response)
    }));
    let mut sender = connect(&server).await;
    // (method, path, Content-Length): RFC 9110 sections 6.4.1 and 8.6.
    for (method, path, length) in [
        ("HEAD", "/200", Some("5")),
        ("GET", "/204", None),
        ("GET", "/304", None),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://a{path}"));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let found = response.headers().get("content-length").cloned();
        assert_eq!(
            found.as_ref().map(|value| value.to_str().unwrap()),
            length,
            "{path}"
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.is_empty(), "{method} {path}");
    }
}

/// Answers CONNECT, and says what it reads in the tunnel; `/ignored` answers and lets the tunnel go.
async fn tunnel(mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
    if request.method() == http::Method::CONNECT && request.uri().host() != Some("ignored") {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let stream = TokioIo::new(upgrade.await.expect("upgraded"));
            let (mut read, mut write) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
    Ok(Response::new(Body::empty()))
}

#[tokio::test]
async fn a_connection_is_idle_again_when_its_tunnels_have_ended() {
    use tokio::io::AsyncWriteExt;
    for host in ["echo", "ignored"] {
        let server = Running::with(service_fn(tunnel), |server| {
            server.keep_alive_timeout(SHORT)
        });
        let mut sender = connect(&server).await;
        let request = Request::connect(format!("{host}:80"));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        if host == "echo" {
            let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
            for word in [b"some", b"more"] {
                stream.write_all(word).await.unwrap();
                let mut heard = [0; 4];
                stream.read_exact(&mut heard).await.unwrap();
                assert_eq!(&heard, word, "idle or not, a tunnel goes on");
                sleep(SHORT * 3).await;
            }
        }
        assert_closed(sender).await;
    }
}

#[tokio::test]
async fn no_protocol_is_switched_to_over_http_2() {
    let server = Running::start(service_fn(|_: Request<Body>| async {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok::<_, Infallible>(response)
    }));
    let mut sender = connect(&server).await;
    for request in [Request::get("http://a/"), Request::connect("a:80")] {
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 500, "RFC 9113 section 8.6");
    }
}

#[tokio::test]
async fn websockets_over_http_2_are_offered_where_that_is_set() {
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3), and its value.
    const OFFER: [u8; 6] = [0, 8, 0, 0, 0, 1];
    for offers in [false, true] {
        let server = Running::with(service_fn(hello), |server| match offers {
            true => server.http2_websockets(),
            false => server,
        });
        let mut client = server.client().await;
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        client.send(settings).await;
        let (kind, settings) = frame(&mut client).await;
        assert_eq!(kind, 4, "SETTINGS comes first");
        let found = settings.chunks(6).any(|setting| setting == OFFER);
        assert_eq!(found, offers);
    }
}

/// A frame: its type, and what is in it.
async fn frame(client: &mut common::Client) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    client.stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut content = vec![0; length as usize];
    client.stream.read_exact(&mut content).await.unwrap();
    (head[3], content)
}

#[tokio::test]
async fn a_client_that_expects_100_over_http_2_gets_none() {
    // A limit of hyper's (hyper#2743), which sends no interim response over HTTP/2. A client goes on by
    // itself after a while (RFC 9110 section 10.1.1). Where this fails, the limit is gone.
    const HEADERS: u8 = 1;
    let (reads, reading) = tokio::sync::oneshot::channel();
    let reads = std::sync::Arc::new(std::sync::Mutex::new(Some(reads)));
    let server = Running::start(service_fn(move |request: Request<Body>| {
        let reads = reads.lock().unwrap().take().unwrap();
        async move {
            let mut body = request.into_body();
            let mut reads = Some(reads);
            let mut read = std::pin::pin!(body.frame());
            std::future::poll_fn(|cx| {
                let polled = read.as_mut().poll(cx);
                if let Some(reads) = reads.take() {
                    assert!(polled.is_pending());
                    reads.send(()).unwrap();
                }
                polled
            })
            .await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    }));
    let mut client = server.client().await;
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    // `POST http://a/` by HPACK's static table, and `expect`, which is 35 of it.
    let block = [b"\x83\x86\x84\x41\x01a\x63\x0c".as_slice(), b"100-continue"].concat();
    client
        .send([0, 0, block.len() as u8, HEADERS, 4, 0, 0, 0, 1])
        .await;
    client.send(&block).await;
    reading.await.unwrap();
    client.send([0, 0, 1, 0, 1, 0, 0, 0, 1, b'x']).await;
    let answer = loop {
        if let (HEADERS, block) = frame(&mut client).await {
            break block;
        }
    };
    // `:status: 200` is 8 of the table; a 100 would have come first.
    assert_eq!(answer[0], 0x88, "{answer:x?}");
}
