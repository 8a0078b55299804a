//! What does a request that does not fail pay? Instructions and allocations, ours beside tower-http's
//! CatchPanic and no layer at all.
//!
//! Runs itself below callgrind: `cargo run --release -p bench-exceptions --bin happy`.

use std::{process::Command, sync::atomic::Ordering};

use bench_exceptions::{ALLOCATIONS, Counting, drive, handler};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use middleware_exceptions::ExceptionsLayer;
use tower::{Layer, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

#[global_allocator]
static COUNTING: Counting = Counting;

const CONTENDERS: [&str; 3] = ["bare", "ours", "catch-panic"];
const PATHS: [&str; 2] = [
    "/",
    "/orders/7?filter=open&page=2&sort=date&order=descending",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, contender, path, count] = &arguments[..] {
        let requests = count.parse().expect("a number");
        let allocations = run(contender, path, requests);
        eprintln!("allocations {allocations}");
        return;
    }
    for path in PATHS {
        println!("\nGET {path}");
        let mut bare = (0.0, 0.0);
        for contender in CONTENDERS {
            let (few, many) = (
                measured(contender, path, 1_000),
                measured(contender, path, 11_000),
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
fn measured(contender: &str, path: &str, requests: usize) -> (f64, f64) {
    let this = std::env::current_exe().expect("a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args([contender, path, &requests.to_string()])
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

fn run(contender: &str, path: &str, requests: usize) -> usize {
    let bare = service_fn(|request| handler(request));
    match contender {
        "bare" => repeat(bare, path, requests),
        "ours" => repeat(ExceptionsLayer::new().layer(bare), path, requests),
        "catch-panic" => repeat(CatchPanicLayer::new().layer(bare), path, requests),
        other => panic!("what is {other}?"),
    }
}

fn repeat<S, B>(mut service: S, path: &str, requests: usize) -> usize
where
    S: tower::Service<Request<Full<Bytes>>, Response = http::Response<B>>,
    B: http_body::Body + Unpin,
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
