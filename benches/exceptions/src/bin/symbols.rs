//! What does a full report cost beside printing a `std::backtrace::Backtrace`, the first time
//! and ever after? Each contender in processes of its own, since the first time comes once.
//!
//! `cargo run --release -p bench-exceptions --bin symbols`

use std::{
    backtrace::Backtrace,
    hint::black_box,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

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
        Some("ours") => ours().await,
        Some("std") => deep(8, &mut std_display),
        _ => compare(),
    }
}

fn compare() {
    let (std, ours) = (measured("std"), measured("ours"));
    println!("                         std Display      ours   ratio");
    let line = |what, std: f64, ours: f64| {
        println!("{what:24} {std:11.1} {ours:9.1} {:7.3}", ours / std);
    };
    line("the first (us)", std[0], ours[0]);
    line("each further one (us)", std[1], ours[1]);
    line("of that, the report (us)", std[1], ours[2]);
    println!(
        "(ours: panic, unwinding, capture, catch, report, response; std: capture and Display)"
    );
}

/// First, further, report. The best of several runs: what others did meanwhile is not ours.
fn measured(contender: &str) -> [f64; 3] {
    let mut best = [f64::MAX; 3];
    for _ in 0..RUNS {
        let this = std::env::current_exe().expect("a path");
        let output = Command::new(this).arg(contender).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        for (best, word) in best.iter_mut().zip(text.split_whitespace()) {
            *best = best.min(word.parse().expect("a number"));
        }
    }
    best
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

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn std_display() {
    let one = || {
        let text = Backtrace::force_capture().to_string();
        assert!(black_box(text).contains("deep"));
    };
    let start = Instant::now();
    one();
    let first = micros(start);
    let start = Instant::now();
    for _ in 0..WARM {
        one();
    }
    println!("{first} {} 0", micros(start) / f64::from(WARM));
}

async fn ours() {
    static REPORTING: AtomicU64 = AtomicU64::new(0);
    let layer = ExceptionsLayer::new()
        .silence_default_hook()
        .on_report(|report| {
            let start = Instant::now();
            assert!(black_box(report.to_text()).contains("in deep"));
            REPORTING.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
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
    let first = micros(start);
    REPORTING.store(0, Ordering::Relaxed);
    let start = Instant::now();
    for _ in 0..WARM {
        fail().await;
    }
    let further = micros(start) / f64::from(WARM);
    let report = REPORTING.load(Ordering::Relaxed) as f64 / 1e3 / f64::from(WARM);
    println!("{first} {further} {report}");
}
