//! What does a request that does not fail pay? Instructions and allocations, ours beside tower-http's
//! CatchPanic and no layer at all.
//!
//! Counted is all that a request costs: it is made, the service is asked whether it is ready and called, the future
//! polled, the body asked as hyper asks, and everything dropped. The loop is the same for all, and
//! what is printed in brackets is the difference to no layer. Of a layer this counts its own work and what it
//! keeps the compiler from doing: a response that it takes apart is moved where it would have been made in
//! place. Hence two handlers, one behind a call and one that the compiler sees through.
//!
//! `least` is the floor: the same stages caught and answered, nothing remembered and nobody told. Its share is that a request
//! is moved once more into the catch, its future into ours, a response taken apart and put together with another body, and
//! the body asked twice, before the head and after. What ours adds: method and path copied where a failure
//! finds them (about 60), a reference count and its drop for the settings (about 35).
//!
//! Runs itself below callgrind: `cargo run --release -p bench-exceptions --bin happy`.

use std::{
    convert::Infallible,
    pin::Pin,
    process::Command,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use bench_exceptions::{ALLOCATIONS, Counting, drive, handler, least::Least};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use middleware_exceptions::ExceptionsLayer;
use tower::{Layer, Service, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

#[global_allocator]
static COUNTING: Counting = Counting;

const CONTENDERS: [&str; 4] = ["bare", "least", "ours", "catch-panic"];
/// The third answers with a body in pieces: what ours keeps for it lies in a box, from a list of boxes that each thread has.
const HANDLERS: [&str; 3] = ["behind a call", "async fn", "streamed"];

const PATHS: [&str; 2] = [
    "/",
    "/orders/7?filter=open&page=2&sort=date&order=descending",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, contender, kind, path, count] = &arguments[..] {
        let requests = count.parse().expect("a number");
        let allocations = match kind.as_str() {
            "async fn" => run(service_fn(inlined), contender, path, requests),
            "streamed" => run(service_fn(streamed), contender, path, requests),
            _ => run(service_fn(handler), contender, path, requests),
        };
        eprintln!("allocations {allocations}");
        return;
    }
    for (kind, path) in HANDLERS
        .iter()
        .flat_map(|kind| PATHS.map(|path| (kind, path)))
    {
        println!("\nGET {path}, handler: {kind}");
        let mut bare = (0.0, 0.0);
        for contender in CONTENDERS {
            // It knows bodies of one frame alone.
            if (*kind, contender) == ("streamed", "least") {
                continue;
            }
            let (few, many) = (
                measured([contender, kind, path], 1_000),
                measured([contender, kind, path], 11_000),
            );
            let per_request = |few, many| (many - few) / 10_000.0;
            let (instructions, allocations) =
                (per_request(few.0, many.0), per_request(few.1, many.1));
            if contender == "bare" {
                bare = (instructions, allocations);
            }
            println!(
                "  {contender:12} {instructions:8.1} instructions ({:+.1}), {allocations:.2} allocations ({:+.2})",
                instructions - bare.0,
                allocations - bare.1,
            );
        }
    }
}

/// Instructions and allocations of so many requests, in a process of its own below callgrind.
fn measured(what: [&str; 3], requests: usize) -> (f64, f64) {
    let this = std::env::current_exe().expect("a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(what)
        .arg(requests.to_string())
        .output()
        .expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    let number = |mark: &str| {
        let (_, rest) = text.split_once(mark).unwrap_or_else(|| panic!("{text}"));
        rest.split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a number")
    };
    (number("Collected :"), number("allocations "))
}

async fn inlined(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"ok\n"))))
}

async fn streamed(_: Request<Full<Bytes>>) -> Result<Response<Pieces>, Infallible> {
    Ok(Response::new(Pieces(3)))
}

/// Three bytes one by one; how many they are is not known before.
struct Pieces(u8);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b".")))))
    }
}

fn run<S, B>(bare: S, contender: &str, path: &str, requests: usize) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    match contender {
        "bare" => repeat(bare, path, requests),
        "least" => repeat(Least::new(bare), path, requests),
        "ours" => repeat(ExceptionsLayer::new().layer(bare), path, requests),
        "catch-panic" => repeat(CatchPanicLayer::new().layer(bare), path, requests),
        other => panic!("what is {other}?"),
    }
}

fn repeat<S, B>(mut service: S, path: &str, requests: usize) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body + Unpin,
    B::Data: AsRef<[u8]>,
{
    let uri: http::Uri = path.parse().expect("a path");
    // The first clone of a parsed URI allocates; a server's come from a shared buffer.
    drop(uri.clone());
    let request = || {
        let mut request = Request::new(Full::new(Bytes::new()));
        request.uri_mut().clone_from(&uri);
        request
    };
    assert_eq!(drive(&mut service, request()), 3, "it answers");
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..requests {
        drive(&mut service, request());
    }
    ALLOCATIONS.load(Ordering::Relaxed) - before
}
