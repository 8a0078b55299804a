//! Real hyper, real sockets: what a client sees of each failure.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gateway_core::BoxError;
use gateway_core::request::ConnInfo;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::SizeHint;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{body::Incoming, server::conn, service::Service as _};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use middleware_exceptions::ExceptionsLayer;
use support::{Script, Step};
use tokio::sync::Semaphore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tower::Layer as _;

type Answer = Response<support::Boxed>;

/// The next piece of a body that waits for the last to have come.
static HAS_COME: Semaphore = Semaphore::const_new(0);

/// The routes of these tests.
async fn route(request: Request<Incoming>) -> Result<Answer, BoxError> {
    let body = match request.uri().path() {
        "/ok" => return Ok(Response::new(boxed(Full::new(Bytes::from_static(b"ok\n"))))),
        "/panic" => panic!("boom"),
        "/error" => return Err("no database".into()),
        "/own-500" => {
            return Ok(Response::builder()
                .status(StatusCode::INTERNAL_SERVER_ERROR)
                .header("x-own", "1")
                .body(boxed(Full::new(Bytes::from_static(b"my own words"))))?);
        }
        "/first-poll" => Script::new([Step::Panic]),
        "/after-a-chunk" => Script::new([Step::Chunk("chunk"), Step::Wait(30), Step::Panic]),
        "/at-the-very-next-poll" => Script::new([Step::Chunk("chunk"), Step::Panic]),
        "/with-a-length" => Script::new([Step::Chunk("chunk"), Step::Pending, Step::Panic])
            .with_hint(SizeHint::with_exact(10)),
        "/drop" => Script::new([Step::Chunk("whole")])
            .with_hint(SizeHint::with_exact(5))
            .on_drop(|| panic!("boom in drop")),
        "/drop-chunked" => Script::new([Step::Chunk("whole")]).on_drop(|| panic!("boom in drop")),
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "7".parse()?);
            Script::new([
                Step::Chunk("a"),
                Step::Wait(5),
                Step::Chunk("b"),
                Step::Trailers(trailers),
            ])
        }
        "/pending-first" => Script::new([Step::Wait(20), Step::Chunk("late")]),
        "/empty-stream" => Script::new([]),
        "/step-by-step" => {
            Script::new((0..4).flat_map(|_| [Step::Chunk("tick"), Step::Permit(&HAS_COME)]))
        }
        path => panic!("no route {path}"),
    };
    let mut response = Response::new(boxed(body));
    response
        .headers_mut()
        .insert("content-type", "text/plain".parse()?);
    response.headers_mut().insert("trailer", "x-sum".parse()?);
    Ok(response)
}

fn boxed<B>(body: B) -> support::Boxed
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Serves the routes, below the layer if there is one, HTTP/2 or HTTP/1.1.
async fn serve(layer: Option<ExceptionsLayer>, http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let io = TokioIo::new(stream);
            let layer = layer.clone();
            tokio::spawn(async move {
                let with_conn = move |mut request: Request<Incoming>| {
                    let conn = ConnInfo::new(peer, addr);
                    request.extensions_mut().insert(conn);
                    request
                };
                let inner = tower::service_fn(route);
                match layer {
                    Some(layer) => {
                        let service = TowerToHyperService::new(layer.layer(inner));
                        let service = hyper::service::service_fn(move |request| {
                            service.call(with_conn(request))
                        });
                        if http2 {
                            let server = conn::http2::Builder::new(TokioExecutor::new());
                            _ = server.serve_connection(io, service).await;
                        } else {
                            let server = conn::http1::Builder::new();
                            _ = server.serve_connection(io, service).await;
                        }
                    }
                    None => {
                        let service = TowerToHyperService::new(inner);
                        _ = conn::http1::Builder::new()
                            .serve_connection(io, service)
                            .await;
                    }
                }
            });
        }
    });
    addr
}

/// Everything the server sends on one connection.
async fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    let mut ticks = 0;
    loop {
        let read = stream.read(&mut buffer);
        let read = tokio::time::timeout(Duration::from_secs(60), read).await;
        let len = read.expect("the server closes the connection").unwrap_or(0);
        all.extend_from_slice(&buffer[..len]);
        let text = str::from_utf8(&all).unwrap();
        if len == 0 {
            return text.to_owned();
        }
        let more = text.matches("tick").count() - ticks;
        HAS_COME.add_permits(more);
        ticks += more;
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

fn layer() -> ExceptionsLayer {
    support::layer()
}

#[tokio::test]
async fn before_the_head_every_failure_is_a_clean_500() {
    let addr = serve(Some(layer()), false).await;
    for path in ["/panic", "/error", "/first-poll"] {
        let answer = raw(addr, &get(path)).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 500 "), "{path}: {answer}");
        for header in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "content-type: text/plain; charset=utf-8",
            &format!("content-length: {}", text.len()),
        ] {
            assert!(head.contains(header), "{path}: {header} is not in {head}");
        }
        assert!(
            !head.contains("trailer"),
            "headers of the failed response are gone: {head}"
        );
        assert!(text.contains("Error ID: "));
    }
}

#[tokio::test]
async fn after_a_chunk_the_client_gets_it_and_sees_that_it_was_cut() {
    let addr = serve(Some(layer()), false).await;
    for path in ["/after-a-chunk", "/at-the-very-next-poll"] {
        let answer = raw(addr, &get(path)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{path}: {answer}");
        assert!(
            answer.ends_with("\r\n\r\n5\r\nchunk\r\n"),
            "no last chunk: {path}: {answer}"
        );
    }
    let answer = raw(addr, &get("/with-a-length")).await;
    assert!(answer.contains("content-length: 10"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nchunk"), "{answer}");
}

#[tokio::test]
async fn a_body_that_panics_when_it_is_dropped_arrives_whole() {
    let addr = serve(Some(layer()), false).await;
    let answer = raw(addr, &get("/drop")).await;
    assert!(
        answer.ends_with("content-length: 5\r\n\r\nwhole") || answer.ends_with("\r\n\r\nwhole")
    );
    let answer = raw(addr, &get("/drop-chunked")).await;
    assert!(answer.ends_with("5\r\nwhole\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn two_failures_and_then_ok_on_one_connection() {
    let addr = serve(Some(layer()), false).await;
    let keep = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let requests = keep("/panic") + &keep("/first-poll") + &get("/ok");
    let answers = raw(addr, &requests).await;
    assert_eq!(answers.matches("HTTP/1.1 500 ").count(), 2, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1, "{answers}");
    assert!(answers.ends_with("ok\n"));
}

#[tokio::test]
async fn head_has_no_body_and_the_length_of_get() {
    let addr = serve(Some(layer()), false).await;
    let get = raw(addr, &get("/panic")).await;
    let length = |answer: &str| {
        let (_, rest) = answer.split_once("content-length: ").unwrap();
        rest.split("\r\n").next().unwrap().to_owned()
    };
    let head = "HEAD /panic HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let head = raw(addr, head).await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(length(&head), length(&get));
}

/// RFC 9110 section 9.3.2: it was 200 where GET was 500.
#[tokio::test]
async fn head_of_a_body_that_fails_at_its_first_poll_is_a_500_as_get_is() {
    let addr = serve(Some(layer()), false).await;
    let head = "HEAD /first-poll HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let head = raw(addr, head).await;
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

/// The time is another.
fn without_date(answer: &str) -> String {
    let lines = answer
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("date: "));
    lines.collect()
}

#[tokio::test]
async fn the_happy_path_is_byte_identical_to_no_layer() {
    let with = serve(Some(layer()), false).await;
    let without = serve(None, false).await;
    for path in [
        "/ok",
        "/own-500",
        "/trailers",
        "/pending-first",
        "/empty-stream",
        // Each chunk comes by itself: the next is not made before.
        "/step-by-step",
    ] {
        for (method, te, version) in [
            ("GET", "", "1.1"),
            ("GET", "te: trailers\r\n", "1.1"),
            ("HEAD", "", "1.1"),
            ("GET", "", "1.0"),
        ] {
            let request = format!(
                "{method} {path} HTTP/{version}\r\nhost: localhost\r\n{te}connection: close\r\n\r\n"
            );
            let ours = raw(with, &request).await;
            let bare = raw(without, &request).await;
            assert_eq!(without_date(&ours), without_date(&bare), "{request}");
        }
    }
}

#[tokio::test]
async fn http2_streams_fail_one_by_one() {
    let addr = serve(Some(layer()), true).await;
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut sender, conn) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(conn);
    let mut ask = async |path: &str| {
        let request = Request::get(format!("http://localhost{path}"));
        let response = sender
            .send_request(request.body(Empty::<Bytes>::new()).unwrap())
            .await;
        let mut response = response.unwrap();
        let (mut text, mut reset) = (String::new(), false);
        while let Some(frame) = response.frame().await {
            match frame {
                Ok(frame) => {
                    let data = frame.into_data().unwrap_or_default();
                    text.push_str(str::from_utf8(&data).unwrap());
                }
                Err(_) => {
                    reset = true;
                    break;
                }
            }
        }
        (response.status().as_u16(), text, reset)
    };
    for path in ["/panic", "/error", "/first-poll"] {
        let (status, text, reset) = ask(path).await;
        assert_eq!((status, reset), (500, false), "{path}");
        assert!(text.contains("Error ID: "), "{text}");
    }
    for path in ["/after-a-chunk", "/at-the-very-next-poll"] {
        assert_eq!(ask(path).await, (200, "chunk".into(), true), "{path}");
    }
    for path in ["/drop", "/drop-chunked"] {
        assert_eq!(ask(path).await, (200, "whole".into(), false), "{path}");
    }
    assert_eq!(ask("/ok").await, (200, "ok\n".into(), false));
}

#[tokio::test]
async fn twenty_failures_have_twenty_ids_that_nobody_can_guess() {
    let addr = serve(Some(layer()), false).await;
    let mut ids = std::collections::BTreeSet::new();
    let mut lengths = std::collections::BTreeSet::new();
    for n in 0..20 {
        let path = ["/panic", "/error", "/first-poll"][n % 3];
        let answer = raw(addr, &get(path)).await;
        lengths.insert(answer.len());
        let (_, id) = answer.split_once("Error ID: ").unwrap();
        ids.insert(id.trim().to_owned());
    }
    assert_eq!(ids.len(), 20);
    assert_eq!(lengths.len(), 1, "all production bodies are of one length");
    // Neighbours share no more than chance: differences of counters or clocks would be small.
    let numbers: Vec<_> = ids
        .iter()
        .map(|id| u64::from_str_radix(id, 16).unwrap())
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] - pair[0] > 1 << 32),
        "{ids:?}"
    );
}

#[tokio::test]
async fn the_inner_body_is_dropped_once() {
    for steps in [
        vec![Step::Chunk("chunk")],
        vec![Step::Panic],
        vec![Step::Chunk("chunk"), Step::Pending, Step::Fail("disk")],
    ] {
        let drops = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&drops);
        let body = Script::new(steps).on_drop(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let body = std::sync::Mutex::new(Some(body));
        let handler = tower::service_fn(|_: Request<support::Boxed>| {
            let body = body.lock().unwrap().take().unwrap();
            std::future::ready(support::streaming(body))
        });
        support::ask(&layer(), handler).await;
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn an_applications_own_500_passes_byte_for_byte() {
    let log = support::Log::new();
    let addr = serve(Some(layer()), false).await;
    let answer = raw(addr, &get("/own-500")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(head.contains("x-own: 1"), "{answer}");
    assert!(
        !head.contains("cache-control"),
        "nothing is added: {answer}"
    );
    assert_eq!(body, "my own words");
    assert_eq!(log.take(), [""; 0], "it is no failure");
}

#[tokio::test]
async fn after_a_failure_a_body_yields_none_for_ever() {
    for steps in [
        vec![Step::Panic],
        vec![Step::Chunk("chunk"), Step::Panic, Step::Chunk("more")],
        vec![
            Step::Chunk("chunk"),
            Step::Fail("disk"),
            Step::Chunk("more"),
        ],
    ] {
        let body = std::sync::Mutex::new(Some(Script::new(steps)));
        let handler = tower::service_fn(|_: Request<support::Boxed>| {
            let body = body.lock().unwrap().take().unwrap();
            std::future::ready(support::streaming(body))
        });
        let request = Request::new(boxed(Full::default()));
        let response = tower::ServiceExt::oneshot(layer().layer(handler), request).await;
        let mut body = response.unwrap().into_body();
        while let Some(Ok(_)) = body.frame().await {}
        for _ in 0..3 {
            assert!(body.frame().await.is_none());
            assert!(http_body::Body::is_end_stream(&body));
        }
    }
}
