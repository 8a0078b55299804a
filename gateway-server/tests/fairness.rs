//! Bounds for each client, and what a server says of itself.
#![cfg(feature = "fairness")]

mod common;

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};

use common::{Client, PATIENCE, Running, hello};
use gateway_core::proxy::ProxyLayer;
use gateway_core::testing::Client as Tester;
use gateway_core::{Application, Body};
use gateway_server::fairness::RequestRateLayer;
use gateway_server::http::Server;
use gateway_server::{Counts, ServerState, fastcgi};
use http::{Request, Response};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceBuilder, service_fn};

/// A client whose address is `ip`: all of 127.0.0.0/8 is this machine.
async fn client_from(server: &Running, ip: &str) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    Client {
        stream: socket.connect(server.addr).await.unwrap(),
        received: Vec::new(),
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn is_answered(client: &mut Client) -> bool {
    client.send(GET).await;
    client.response().await.status() == 200
}

/// Whether the server closes the connection without a word.
async fn is_refused(mut client: Client) -> bool {
    let mut byte = [0];
    let read = timeout(PATIENCE, client.stream.read(&mut byte)).await;
    matches!(read.expect("no hang"), Ok(0) | Err(_))
}

/// Looks until `state` says what it should.
async fn until(state: &ServerState, is_so: impl Fn(Counts) -> bool) -> Counts {
    let looking = async {
        loop {
            let counts = state.counts();
            if is_so(counts) {
                return counts;
            }
            tokio::task::yield_now().await;
        }
    };
    match timeout(PATIENCE, looking).await {
        Ok(counts) => counts,
        Err(_) => panic!("{:?}", state.counts()),
    }
}

#[tokio::test]
async fn a_client_with_as_many_connections_as_it_may_have_gets_no_more_and_others_do() {
    let state = ServerState::new();
    let server = Running::with(service_fn(hello), |server| {
        server.max_connections_per_client(2).with_state(&state)
    });
    let mut first = client_from(&server, "127.0.0.1").await;
    let mut second = client_from(&server, "127.0.0.1").await;
    assert!(is_answered(&mut first).await && is_answered(&mut second).await);
    assert!(is_refused(client_from(&server, "127.0.0.1").await).await);
    assert!(is_answered(&mut client_from(&server, "127.0.0.2").await).await);
    let counts = state.counts();
    assert_eq!(counts.connections_refused_total, 1);
    drop(second);
    until(&state, |counts| counts.connections == 1).await;
    assert!(is_answered(&mut client_from(&server, "127.0.0.1").await).await);
    assert!(is_answered(&mut first).await);
}

#[tokio::test]
async fn connections_of_a_peer_that_is_named_are_not_counted() {
    let server = Running::with(service_fn(hello), |server| {
        server
            .max_connections_per_client(1)
            .uncounted_peers("127.0.0.2/32".parse().unwrap())
    });
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut proxy = client_from(&server, "127.0.0.2").await;
        assert!(is_answered(&mut proxy).await);
        kept.push(proxy);
    }
    let mut client = client_from(&server, "127.0.0.3").await;
    assert!(is_answered(&mut client).await);
    assert!(is_refused(client_from(&server, "127.0.0.3").await).await);
}

fn two_in_a_minute() -> RequestRateLayer {
    RequestRateLayer::per_minute(NonZeroU32::new(2).unwrap())
}

async fn status(client: &mut Client, fields: &str) -> (u16, Option<String>) {
    client
        .send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
        .await;
    let response = client.response().await;
    let retry_after = response.field("retry-after").map(str::to_owned);
    (response.status(), retry_after)
}

#[tokio::test]
async fn a_client_that_begins_too_many_requests_gets_429_over_any_of_its_connections() {
    let state = ServerState::new();
    let service = two_in_a_minute()
        .with_state(&state)
        .layer(service_fn(hello));
    let server = Running::with(service, |server| server.with_state(&state));
    for _ in 0..2 {
        let mut client = client_from(&server, "127.0.0.1").await;
        assert_eq!(status(&mut client, "").await, (200, None));
    }
    let mut client = client_from(&server, "127.0.0.1").await;
    let (refused, retry_after) = status(&mut client, "").await;
    assert_eq!(refused, 429);
    let seconds: u64 = retry_after.unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    // The connection goes on.
    assert_eq!(status(&mut client, "").await.0, 429);
    let mut other = client_from(&server, "127.0.0.2").await;
    assert_eq!(status(&mut other, "").await.0, 200);
    assert_eq!(state.counts().requests_refused_total, 2);
}

#[tokio::test]
async fn requests_through_a_trusted_proxy_are_those_of_the_client_that_it_names() {
    let service = ServiceBuilder::new()
        .layer(ProxyLayer::x_forwarded().trust_peers("127.0.0.1/32".parse().unwrap()))
        .layer(two_in_a_minute())
        .service_fn(hello);
    let server = Running::start(service);
    let mut proxy = client_from(&server, "127.0.0.1").await;
    for (client, expected) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("2001:db8::1", 200),
        // The same net.
        ("2001:db8::2", 200),
        ("2001:db8::3", 429),
    ] {
        let fields = format!("X-Forwarded-For: {client}\r\n");
        assert_eq!(status(&mut proxy, &fields).await.0, expected, "{client}");
    }
    // Who is not trusted is counted by its own address, whatever it says.
    let mut liar = client_from(&server, "127.0.0.2").await;
    for (client, expected) in [("192.0.2.8", 200), ("192.0.2.9", 200), ("192.0.2.10", 429)] {
        let fields = format!("X-Forwarded-For: {client}\r\n");
        assert_eq!(status(&mut liar, &fields).await.0, expected, "{client}");
    }
}

/// Takes a request when `ready` has a permit, and answers when `go` has one.
#[derive(Clone)]
struct Gated {
    ready: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Service<Request<Body>> for Gated {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.ready.available_permits() > 0 {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let go = Arc::clone(&self.go);
        Box::pin(async move {
            go.acquire().await.unwrap().forget();
            Ok(Response::new(Body::from("gone")))
        })
    }
}

#[tokio::test]
async fn the_state_tells_what_is_open_what_runs_what_waits_and_what_was_cut() {
    let state = ServerState::new();
    let gated = Gated {
        ready: Arc::new(Semaphore::new(0)),
        go: Arc::new(Semaphore::new(0)),
    };
    let mut server = Running::with(gated.clone(), |server| {
        server
            .max_connections(10)
            .shutdown_grace(std::time::Duration::ZERO)
            .shutdown_deadline(std::time::Duration::ZERO)
            .with_state(&state)
    });
    let mut one = client_from(&server, "127.0.0.1").await;
    let mut two = client_from(&server, "127.0.0.1").await;
    one.send(GET).await;
    two.send(GET).await;
    let counts = until(&state, |counts| counts.requests_waiting == 2).await;
    assert_eq!((counts.connections, counts.places), (2, 10));
    assert_eq!((counts.requests, counts.requests_total), (2, 2));
    gated.ready.add_permits(1);
    until(&state, |counts| counts.requests_waiting == 0).await;
    gated.go.add_permits(1);
    let counts = until(&state, |counts| counts.requests == 1).await;
    assert_eq!(counts.requests_total, 2);
    server.begin_shutdown();
    assert_eq!(server.outcome().await.cut(), 1);
    let counts = until(&state, |counts| counts.connections == 0).await;
    assert_eq!(
        (counts.cut_total, counts.connections_total, counts.places),
        (1, 2, 0)
    );
    assert_eq!((counts.requests, counts.requests_waiting), (0, 0));
}

#[tokio::test]
async fn requests_behind_a_front_end_are_counted_too() {
    let state = ServerState::new();
    let server = fastcgi::Server::bind("127.0.0.1:0")
        .unwrap()
        .with_state(&state);
    let addr = server.local_addr().unwrap();
    let serving = tokio::spawn(server.serve(service_fn(hello)));
    let mut socket = tokio::net::TcpStream::connect(addr).await.unwrap();
    // FCGI_BEGIN_REQUEST of a responder, its parameters, and the end of its input.
    let params = b"\x0e\x03REQUEST_METHODGET";
    let mut bytes = vec![1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend([1, 4, 0, 1, 0, u8::try_from(params.len()).unwrap(), 0, 0]);
    bytes.extend(params);
    bytes.extend([1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0]);
    tokio::io::AsyncWriteExt::write_all(&mut socket, &bytes)
        .await
        .unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let counts = until(&state, |counts| counts.connections == 0).await;
    assert_eq!((counts.requests, counts.requests_total), (0, 1));
    serving.abort();
}

#[test]
fn the_state_is_text_for_prometheus() {
    let state = ServerState::new();
    let response = Tester::new(state.metrics()).get("/metrics").send();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = response.text();
    for line in [
        "# TYPE gateway_server_connections gauge",
        "gateway_server_connections 0",
        "# TYPE gateway_server_requests_total counter",
        "gateway_server_requests_refused_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    // Each line is a comment, or a name and a number.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').unwrap();
        assert!(
            name.starts_with("gateway_server_") && value.parse::<u64>().is_ok(),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_what_the_threads_of_an_application_do() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let begun = Arc::new(Semaphore::new(0));
    let begins = Arc::clone(&begun);
    let blocked = gateway_core::application(move |_| {
        begins.add_permits(1);
        let _ = gone.lock().unwrap().recv();
        "gone"
    });
    let service = blocked.into_service().threads(1);
    let watched = service.clone();
    let state = ServerState::new();
    let metrics = state.metrics().with_threads(move || watched.load());
    let server = Running::with(service, |server| server.with_state(&state));
    let mut one = server.client().await;
    one.send(GET).await;
    let mut two = server.client().await;
    two.send(GET).await;
    let _begun = timeout(PATIENCE, begun.acquire()).await.unwrap().unwrap();
    // The second finds no thread, and waits until the service is ready.
    until(&state, |counts| counts.requests_waiting == 1).await;
    let text = Tester::new(metrics).get("/").send().text().to_owned();
    for line in [
        "gateway_server_threads 1",
        "gateway_server_threads_running 1",
        "gateway_server_threads_held 0",
        "gateway_server_requests_waiting 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    drop(go);
    assert_eq!(one.response().await.text(), "gone");
    assert_eq!(two.response().await.text(), "gone");
}

#[tokio::test]
async fn a_program_mounts_the_metrics_beside_its_application() {
    let state = ServerState::new();
    let app = axum::Router::new().route_service(
        "/metrics",
        state.metrics().into_inline_service().answer_errors(),
    );
    let server = Running::with(app, |server: Server| server.with_state(&state));
    let mut client = server.client().await;
    client
        .send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let response = client.response().await;
    assert!(response.text().contains("\ngateway_server_requests 1\n"));
}
