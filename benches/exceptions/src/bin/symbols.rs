//! What does a full report cost beside printing a `std::backtrace::Backtrace`, the first time
//! and ever after? Each contender in processes of its own, since the first time comes once.
//!
//! `cargo run --release -p bench-exceptions --bin symbols`

use std::{backtrace::Backtrace, hint::black_box, process::Command, time::Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use middleware_exceptions::ExceptionsLayer;
use tower::{Layer as _, ServiceExt as _, service_fn};

/// So many failures after the first.
const WARM: u32 = 300;
const RUNS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("ours") => ours(true).await,
        Some("caught") => ours(false).await,
        Some("std") => deep(8, &mut std_display),
        _ => compare(),
    }
}

fn compare() {
    let measured = |contender: &str| {
        let runs = (0..RUNS).map(|_| {
            let this = std::env::current_exe().expect("a path");
            let output = Command::new(this).arg(contender).output().expect("it runs");
            let text = String::from_utf8(output.stdout).expect("text");
            let mut numbers = text
                .split_whitespace()
                .map(|word| word.parse::<f64>().expect("a number"));
            (numbers.next().expect("cold"), numbers.next().expect("warm"))
        });
        // The best of each: what somebody else did meanwhile is not ours.
        runs.fold((f64::MAX, f64::MAX), |a, b| (a.0.min(b.0), a.1.min(b.1)))
    };
    let (std, ours, caught) = (measured("std"), measured("ours"), measured("caught"));
    println!("                       std Display      ours   ratio");
    println!(
        "first (ms)             {:11.2} {:9.2} {:7.3}",
        std.0,
        ours.0,
        ours.0 / std.0
    );
    println!(
        "each further one (us)  {:11.1} {:9.1} {:7.3}",
        std.1,
        ours.1,
        ours.1 / std.1
    );
    let report = ours.1 - caught.1;
    println!(
        "of that the report     {:11.1} {report:9.1} {:7.3}",
        std.1,
        report / std.1
    );
    println!(
        "(ours: panic, unwinding, capture, catch, report, response; std: capture and Display alone)"
    );
}

/// Some frames of our own below both.
#[inline(never)]
fn deep(depth: u32, run: &mut dyn FnMut()) {
    if depth == 0 {
        run();
    } else {
        deep(depth - 1, run);
    }
    black_box(depth);
}

fn std_display() {
    let one = || {
        let text = Backtrace::force_capture().to_string();
        assert!(black_box(text).contains("deep"));
    };
    report(one);
}

fn report(mut one: impl FnMut()) {
    let start = Instant::now();
    one();
    let cold = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    for _ in 0..WARM {
        one();
    }
    println!(
        "{cold} {}",
        start.elapsed().as_secs_f64() * 1e6 / f64::from(WARM)
    );
}

/// With full reports, or as a layer does whom nobody listens to: panic, capture, catch, response.
async fn ours(reports: bool) {
    let layer = ExceptionsLayer::new()
        .silence_default_hook()
        .on_report(|report| {
            assert!(black_box(report.to_text()).contains("in deep"));
        });
    let fail = async || {
        let service = layer.layer(service_fn(|_: Request<Full<Bytes>>| async {
            deep(8, &mut || panic!("boom {}", black_box(1)));
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::new())))
        }));
        let Ok(response) = service.oneshot(Request::new(Full::new(Bytes::new()))).await;
        assert_eq!(response.status(), 500);
    };
    let start = Instant::now();
    fail().await;
    let cold = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    for _ in 0..WARM {
        fail().await;
    }
    println!(
        "{cold} {}",
        start.elapsed().as_secs_f64() * 1e6 / f64::from(WARM)
    );
}
