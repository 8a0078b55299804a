//! Graceful shutdown under load, and its end.

mod common;

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Client, Running, hello, statuses};
use gateway_core::Body;
use gateway_server::http::Server;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tower::service_fn;

const GRACE: Duration = Duration::from_millis(200);

async fn slow(request: Request<Body>) -> Result<Response<String>, Infallible> {
    let millis: u64 = request.uri().path()[1..].parse().unwrap_or(0);
    sleep(Duration::from_millis(millis)).await;
    hello(request).await
}

#[tokio::test]
async fn a_server_without_connections_stops_at_once() {
    let hour = Duration::from_secs(3600);
    let mut server = Running::with(service_fn(hello), |server| {
        server.shutdown_grace(hour).shutdown_deadline(hour)
    });
    server.begin_shutdown();
    let outcome = server.outcome().await;
    assert!(outcome.is_clean() && outcome.code() == 0, "{outcome}");
    // Nothing of the deadline was needed, and all of it is left.
    assert!(outcome.time_left() > hour / 2, "{:?}", outcome.time_left());
}

#[tokio::test]
async fn a_running_request_is_finished_and_its_answer_says_close() {
    let mut server = Running::with(service_fn(slow), |server| server.shutdown_grace(GRACE));
    let mut client = server.client().await;
    client.send("GET /600 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_millis(50)).await;
    server.begin_shutdown();
    let answer = client.response().await;
    assert!(answer.status() == 200 && answer.closes(), "{answer:?}");
    assert_eq!(client.rest().await, "");
    let outcome = server.outcome().await;
    assert_eq!((outcome.finished(), outcome.cut()), (1, 0));
}

#[tokio::test]
async fn a_body_of_one_piece_that_is_still_being_sent_is_a_running_request() {
    const SIZE: usize = 64 * 1024 * 1024;
    let large = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::from(vec![b'x'; SIZE])))
    });
    let mut server = Running::with(large, |server| server.shutdown_grace(GRACE));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_millis(50)).await;
    server.begin_shutdown();
    sleep(GRACE * 2).await;
    assert_eq!(client.response().await.body.len(), SIZE);
    assert!(server.outcome().await.is_clean());
}

#[tokio::test]
async fn nothing_more_is_accepted() {
    let mut server = Running::with(service_fn(slow), |server| server.shutdown_grace(GRACE));
    let mut client = server.client().await;
    client.send("GET /1000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_millis(50)).await;
    server.begin_shutdown();
    while TcpStream::connect(server.addr).await.is_ok() {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(client.response().await.status(), 200);
}

#[tokio::test]
async fn a_request_on_its_way_to_an_idle_connection_is_answered_during_the_grace_period() {
    let grace = Duration::from_secs(3);
    let mut server = Running::with(service_fn(hello), |server| server.shutdown_grace(grace));
    let mut idle = server.client().await;
    assert_eq!(idle.get("/").await.status(), 200);
    let mut new = server.client().await;
    let mut silent = server.client().await;
    sleep(Duration::from_millis(20)).await;
    server.begin_shutdown();
    for client in [&mut idle, &mut new] {
        let answer = client.get("/").await;
        assert!(answer.status() == 200 && answer.closes(), "{answer:?}");
    }
    assert_eq!(silent.rest().await, "", "closed after the grace period");
    assert!(server.outcome().await.is_clean());
}

#[tokio::test]
async fn what_is_still_running_at_the_deadline_is_cut_and_counted() {
    let mut server = Running::with(service_fn(slow), |server| {
        server.shutdown_grace(GRACE).shutdown_deadline(GRACE * 2)
    });
    let mut client = server.client().await;
    client.send("GET /60000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_millis(50)).await;
    server.begin_shutdown();
    let began = Instant::now();
    assert_eq!(client.rest().await, "");
    let outcome = server.outcome().await;
    assert_eq!(
        (outcome.finished(), outcome.cut(), outcome.code()),
        (0, 1, 1),
        "{outcome}"
    );
    let elapsed = began.elapsed();
    assert!(elapsed >= GRACE * 2, "{elapsed:?}");
}

#[tokio::test]
async fn what_the_kernel_had_accepted_is_answered() {
    // One place, so that all others are in the kernel's queue when the shutdown begins.
    let mut server = Running::with(service_fn(slow), |server| {
        server.max_connections(20).shutdown_grace(GRACE)
    });
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut stream = std::net::TcpStream::connect(server.addr).unwrap();
        // Blocking calls on purpose: the server's tasks do not run in between.
        std::io::Write::write_all(&mut stream, b"GET /10 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stream.set_nonblocking(true).unwrap();
        clients.push(Client {
            stream: TcpStream::from_std(stream).unwrap(),
            received: Vec::new(),
        });
    }
    server.begin_shutdown();
    for mut client in clients {
        assert_eq!(statuses(&client.rest().await), [200]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_obey_connection_close_see_no_error_under_load() {
    let mut server = Running::with(service_fn(slow), |server| server.shutdown_grace(GRACE));
    let answered = Arc::new(AtomicUsize::new(0));
    let addr = server.addr;
    let mut clients = Vec::new();
    for number in 0..50 {
        let answered = answered.clone();
        clients.push(tokio::spawn(async move {
            // Connects again whenever it is told to close, until it cannot.
            while let Ok(mut stream) = TcpStream::connect(addr).await {
                let mut received = Vec::new();
                loop {
                    let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", number % 7);
                    stream.write_all(request.as_bytes()).await.expect("sent");
                    received.clear();
                    while !received.ends_with(b"hello") {
                        let read = stream.read_buf(&mut received).await.expect("answered");
                        assert!(read > 0, "closed with a request unanswered");
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                    let head = String::from_utf8_lossy(&received).to_ascii_lowercase();
                    if head.contains("connection: close") {
                        break;
                    }
                }
            }
        }));
    }
    sleep(Duration::from_millis(300)).await;
    server.begin_shutdown();
    for client in clients {
        client.await.expect("no client saw an error");
    }
    assert!(server.outcome().await.is_clean());
    assert!(answered.load(Ordering::Relaxed) > 500);
}

#[test]
fn a_server_whose_deadline_is_nothing_ends_cleanly_when_nothing_runs() {
    // It was told to have cut a call, since no time at all had passed as its deadline had.
    let code = gateway_server::block_on(async {
        tokio::task::spawn_blocking(|| {}).await.expect("no panic");
        let server = Server::bind("127.0.0.1:0")?.shutdown_deadline(Duration::ZERO);
        server
            .with_graceful_shutdown(async {})
            .serve(service_fn(|_: Request<Body>| async {
                Ok::<_, Infallible>(Response::new(String::new()))
            }))
            .await
    });
    let code = code.expect("a free port");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
}
