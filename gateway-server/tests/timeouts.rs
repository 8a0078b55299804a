//! Clients that are slow, stop, or go away.

mod common;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Running, hello, statuses};
use futures_util::{StreamExt, stream};
use gateway_core::Body;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tower::service_fn;

const SHORT: Duration = Duration::from_millis(300);

/// Not before `SHORT`, and before any default: so it was this timeout. However busy the machine is, that
/// leaves nine seconds.
fn is_short(elapsed: Duration) -> bool {
    elapsed >= SHORT && elapsed < Duration::from_secs(10)
}

/// Reads the body and says how long it was, or that it failed.
async fn count(request: Request<Body>) -> Result<Response<String>, Infallible> {
    Ok(match request.into_body().collect().await {
        Ok(body) => Response::new(body.to_bytes().len().to_string()),
        Err(_) => {
            let mut response = Response::new("failed".to_string());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    })
}

#[tokio::test]
async fn a_connection_without_a_first_byte_is_closed() {
    let server = Running::with(service_fn(hello), |server| server.first_byte_timeout(SHORT));
    let began = Instant::now();
    assert_eq!(server.client().await.rest().await, "");
    assert!(is_short(began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_head_that_drips_is_answered_408_after_the_header_read_timeout() {
    let server = Running::with(service_fn(hello), |server| {
        server.header_read_timeout(SHORT)
    });
    for beginning in ["G", "GET / HTTP/1.1\r\n"] {
        let mut client = server.client().await;
        let began = Instant::now();
        client.send(beginning).await;
        let (mut reading, mut writing) = client.stream.into_split();
        let drip = tokio::spawn(async move {
            // A byte at a time does not buy more time.
            while writing.write_all(b"X").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let mut answer = Vec::new();
        let _ = reading.read_to_end(&mut answer).await;
        // RFC 9110 section 6.6.1: an answer of the 4xx class has a date.
        assert!(String::from_utf8_lossy(&answer).contains("\r\ndate: "));
        assert!(
            is_short(began.elapsed()),
            "{beginning:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(
            statuses(&String::from_utf8_lossy(&answer)),
            [408],
            "{beginning:?}"
        );
        drip.abort();
    }
}

#[tokio::test]
async fn the_head_of_a_later_request_has_the_same_deadline() {
    let server = Running::with(service_fn(hello), |server| {
        server.header_read_timeout(SHORT)
    });
    let mut client = server.client().await;
    assert_eq!(client.get("/").await.status(), 200);
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nHo").await;
    assert_eq!(statuses(&client.rest().await), [408]);
    assert!(is_short(began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let server = Running::with(service_fn(hello), |server| server.keep_alive_timeout(SHORT));
    let mut client = server.client().await;
    // The server counts from when it has answered, and the client may learn of that a while later.
    let began = Instant::now();
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(client.rest().await, "");
    assert!(is_short(began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_idle_connection_that_was_parked_still_answers() {
    // Looked at after a quarter of it, and then it gives back its memory.
    let server = Running::with(service_fn(hello), |server| {
        server.keep_alive_timeout(Duration::from_secs(4))
    });
    let mut client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), "hello");
        sleep(Duration::from_millis(1300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_looked_at_between_pipelined_requests_answers_them_all() {
    // hyper lets others have a turn after every 16. Looked at then, it seemed idle, gave back its memory,
    // and nobody looked at the requests that had been read until more of them came.
    const LINE: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let server = Running::with(service_fn(hello), |server| {
        server.keep_alive_timeout(Duration::from_secs(2))
    });
    let mut client = server.client().await;
    let requests = LINE.repeat(160);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        client.send(&requests).await;
        for _ in 0..160 {
            client.until("hello").await;
        }
    }
}

#[tokio::test]
async fn a_head_that_began_with_the_request_before_has_its_deadline() {
    let server = Running::with(service_fn(hello), |server| {
        server
            .keep_alive_timeout(Duration::from_secs(2))
            .header_read_timeout(SHORT)
    });
    let mut client = server.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT")
        .await;
    client.until("hello").await;
    // Whole after the look, it is a request like others.
    sleep(Duration::from_millis(700)).await;
    let rest = client.rest().await;
    assert_eq!(statuses(&rest), [408], "{rest}");
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408_after_the_body_read_timeout() {
    let server = Running::with(service_fn(count), |server| server.body_read_timeout(SHORT));
    for beginning in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
    ] {
        let mut client = server.client().await;
        client.send(beginning).await;
        let answer = client.rest().await;
        assert_eq!(statuses(&answer), [408], "{beginning:?}");
        assert!(
            answer.to_ascii_lowercase().contains("connection: close"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_slow_but_moving_body_is_fine() {
    let stall = SHORT * 8;
    let server = Running::with(service_fn(count), |server| server.body_read_timeout(stall));
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n")
        .await;
    // Longer than the timeout in all.
    for _ in 0..12 {
        sleep(stall / 8).await;
        client.send("x").await;
    }
    assert_eq!(client.response().await.text(), "12");
}

#[tokio::test]
async fn a_service_that_takes_its_time_over_a_body_is_fine() {
    let dawdling = service_fn(|request: Request<Body>| async move {
        sleep(SHORT * 2).await;
        count(request).await
    });
    let server = Running::with(dawdling, |server| {
        server.body_read_timeout(SHORT).write_stall_timeout(SHORT)
    });
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    assert_eq!(client.response().await.text(), "3");
}

type BoxedBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// 64 MiB in pieces of 64 KiB; `dropped` tells that it is over.
fn large(dropped: Arc<AtomicBool>) -> BoxedBody {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let flag = Flag(dropped);
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = stream::iter((0..1024).map(move |_| {
        let _held = &flag;
        Ok(http_body::Frame::data(piece.clone()))
    }));
    StreamBody::new(pieces).boxed_unsync()
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_after_the_write_stall_timeout() {
    let dropped = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let dropped = dropped.clone();
        move |_: Request<Body>| {
            let body = large(dropped.clone());
            async { Ok::<_, Infallible>(Response::new(body)) }
        }
    });
    let server = Running::with(service, |server| server.write_stall_timeout(SHORT));
    let mut client = server.client().await;
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    while !dropped.load(Ordering::SeqCst) {
        assert!(
            began.elapsed() < common::PATIENCE,
            "the response is still held"
        );
        sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_body_of_one_piece_is_sent_to_its_end_however_long_that_takes() {
    // hyper has taken all of it at once, so the connection counted as idle, and gave back its
    // buffers, unsent bytes and all, when it was time to look for connections that are.
    const SIZE: usize = 64 * 1024 * 1024;
    let service = service_fn(|request: Request<Body>| async move {
        let size = if request.uri().path() == "/" { 1 } else { SIZE };
        Ok::<_, Infallible>(Response::new(Body::from(vec![b'x'; size])))
    });
    // A quarter of it, and it looks.
    let server = Running::with(service, |server| server.keep_alive_timeout(SHORT));
    let mut client = server.client().await;
    client.get("/").await;
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(SHORT * 2).await;
    assert_eq!(client.response().await.body.len(), SIZE);
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    let service = service_fn(move |_: Request<Body>| async {
        let body = large(Arc::default());
        Ok::<_, Infallible>(Response::new(body))
    });
    let stall = Duration::from_secs(1);
    let server = Running::with(service, |server| server.write_stall_timeout(stall));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Sips: the kernel makes room for more (a third of the send buffer) more seldom than the
    // timeout, but what it has queued shrinks.
    let mut sip = vec![0; 64 * 1024];
    let mut received = 0;
    for _ in 0..60 {
        sleep(stall / 10).await;
        received += client.stream.read(&mut sip).await.expect("still open");
    }
    let mut rest = Vec::new();
    client.stream.set_nodelay(true).unwrap();
    loop {
        let read = client.stream.read_buf(&mut rest).await.expect("still open");
        received += read;
        if rest.ends_with(b"\r\n0\r\n\r\n") {
            break;
        }
        assert!(read > 0, "cut after {received} bytes");
        let keep = rest.len().saturating_sub(16);
        rest.drain(..keep);
    }
    assert!(received > 64 * 1024 * 1024, "{received}");
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_is_still_answered() {
    let slow = service_fn(|_: Request<Body>| async {
        sleep(Duration::from_millis(100)).await;
        let pieces = stream::iter(0..3).then(|n| async move {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(format!("{n}"))))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(pieces)))
    });
    // The head comes before the timeout, the rest after it.
    let server = Running::with(slow, |server| {
        server.half_close_timeout(Duration::from_secs(2))
    });
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.stream.shutdown().await.unwrap();
    let answer = client.rest().await;
    assert_eq!(statuses(&answer), [200]);
    assert!(answer.ends_with("1\r\n2\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn two_requests_and_then_a_half_close_are_both_answered() {
    let slow = service_fn(|_: Request<Body>| async {
        sleep(Duration::from_millis(50)).await;
        Ok::<_, Infallible>(Response::new("hello".to_string()))
    });
    let server = Running::start(slow);
    let mut client = server.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2))
        .await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(statuses(&client.rest().await), [200, 200]);
}

#[tokio::test]
async fn the_request_of_a_client_that_is_gone_is_dropped() {
    let (started, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |_: Request<Body>| {
        let started = started.clone();
        async move {
            // Dropped with the future.
            let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
            started.send(receiver).unwrap();
            sleep(common::PATIENCE * 2).await;
            drop(sender);
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let server = Running::with(service, |server| server.half_close_timeout(SHORT));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let receiver = begun.recv().await.unwrap();
    drop(client);
    let gone = tokio::time::timeout(common::PATIENCE, receiver).await;
    assert!(gone.expect("dropped in time").is_err());
}

#[tokio::test]
async fn a_body_that_ends_too_early_fails() {
    let server = Running::start(service_fn(count));
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    client.stream.shutdown().await.unwrap();
    let answer = client.rest().await;
    assert!(statuses(&answer) == [502] || answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn the_100_is_sent_when_the_body_is_first_read_and_not_before() {
    let service = service_fn(|request: Request<Body>| async move {
        if request.uri().path() == "/read" {
            count(request).await
        } else {
            Ok(Response::new("not read".to_string()))
        }
    });
    let server = Running::start(service);
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let mut client = server.client().await;
    client.send(format!("POST /read {head}")).await;
    assert_eq!(
        client.until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.send("abc").await;
    assert_eq!(client.response().await.text(), "3");
    let mut client = server.client().await;
    client.send(format!("POST / {head}")).await;
    let answer = client.response().await;
    assert_eq!((answer.status(), answer.text()), (200, "not read"));
}

/// It was not noticed: the connection's task did not hear that some other task waits.
#[tokio::test]
async fn a_body_that_stops_in_another_task_is_answered_408() {
    let service = service_fn(|request: Request<Body>| async move {
        tokio::task::yield_now().await;
        tokio::spawn(count(request)).await.unwrap()
    });
    let server = Running::with(service, |server| server.body_read_timeout(SHORT));
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        .await;
    assert_eq!(statuses(&client.rest().await), [408]);
}

#[tokio::test]
async fn an_empty_line_behind_a_body_is_not_the_beginning_of_a_request() {
    // RFC 9112 section 2.2: old clients send one. It drew a 408 that answered nothing.
    let server = Running::with(service_fn(count), |server| {
        server
            .header_read_timeout(SHORT)
            // Looked at after a quarter of it, and parked.
            .keep_alive_timeout(SHORT * 8)
    });
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    for (with_it, after_it) in [
        ("\r\n", ""),
        ("", "\r\n"),
        ("\r", "\n"),
        ("\r\n", "\r\n\r\n"),
    ] {
        let mut client = server.client().await;
        for _ in 0..2 {
            client.send(format!("{post}{with_it}")).await;
            let answer = client.response().await;
            assert_eq!((answer.status(), answer.text()), (200, "2"));
            client.send(after_it).await;
            sleep(SHORT * 4).await;
        }
        assert_eq!(
            client.get("/").await.status(),
            200,
            "{with_it:?} {after_it:?}"
        );
    }
}
