//! How fast is /ok next to four connections that panic in a loop? Beside tower-http's CatchPanic, which only
//! catches, over real sockets on two workers.
//!
//! `cargo run --release -p bench-exceptions --bin storm`

use std::{
    convert::Infallible,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use middleware_exceptions::ExceptionsLayer;
use tower::{Layer, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

const ROUND: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 3;

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    // A log that costs what a log costs.
    tracing_subscriber::fmt()
        .with_writer(std::io::sink)
        .with_ansi(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let bare = || service_fn(route);
    let catching = serve(&runtime, move || CatchPanicLayer::new().layer(bare()));
    let layer = ExceptionsLayer::new();
    let ours = serve(&runtime, move || layer.layer(bare()));
    let mut best = [(0.0_f64, 0.0_f64); 2];
    for _ in 0..ROUNDS {
        for (best, addr) in best.iter_mut().zip([catching, ours]) {
            let (ok, panics) = storm(addr);
            if ok > best.0 {
                *best = (ok, panics);
            }
        }
    }
    let [catching, ours] = best;
    println!("                     /ok per s   panics per s");
    println!(
        "catch only           {:9.0}   {:9.0}",
        catching.0, catching.1
    );
    println!("full reports, logged {:9.0}   {:9.0}", ours.0, ours.1);
    println!(
        "ratio                {:9.2}   {:9.2}",
        ours.0 / catching.0,
        ours.1 / catching.1
    );
}

async fn route(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if request.uri().path() == "/panic" {
        panic!("boom {}", COUNT.fetch_add(1, Ordering::Relaxed));
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"ok\n"))))
}

fn serve<M, S, B>(runtime: &tokio::runtime::Runtime, make: M) -> SocketAddr
where
    M: Fn() -> S + Send + 'static,
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let addr = listener.local_addr().expect("an address");
    runtime.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let service = TowerToHyperService::new(make());
            tokio::spawn(async move {
                _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    addr
}

/// Requests per second of /ok on one connection, and of panics on four.
fn storm(addr: SocketAddr) -> (f64, f64) {
    let stop = AtomicBool::new(false);
    let panics = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::new(addr);
                while !stop.load(Ordering::Relaxed) {
                    client.get("/panic", "HTTP/1.1 500");
                    panics.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut client = Client::new(addr);
        std::thread::sleep(Duration::from_millis(300));
        let (start, before) = (Instant::now(), panics.load(Ordering::Relaxed));
        let mut count = 0_u32;
        while start.elapsed() < ROUND {
            client.get("/ok", "HTTP/1.1 200");
            count += 1;
        }
        let seconds = start.elapsed().as_secs_f64();
        let panicked = panics.load(Ordering::Relaxed) - before;
        stop.store(true, Ordering::Relaxed);
        (f64::from(count) / seconds, panicked as f64 / seconds)
    })
}

struct Client(TcpStream, [u8; 4096]);

impl Client {
    fn new(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).expect("a connection"), [0; 4096])
    }

    fn get(&mut self, path: &str, expected: &str) {
        // In one piece: several small writes wait for one another's acknowledgement.
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.0.write_all(request.as_bytes()).expect("it is sent");
        let read = self.0.read(&mut self.1).expect("an answer");
        assert!(self.1[..read].starts_with(expected.as_bytes()));
    }
}
