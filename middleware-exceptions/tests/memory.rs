//! 100,000 panics: memory is flat after the first thousand (a process of its own: it looks at all of it).
#![cfg(target_os = "linux")]
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::hint::black_box;

use http_body_util::Full;
use middleware_exceptions::ExceptionsLayer;
use support::{Never, ask, handler};

/// Of this process, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Full reports, as with a log; some of them swallowed, some from other threads and never claimed.
async fn fail(layer: &ExceptionsLayer, n: usize) {
    let service = handler(move |_| async move {
        match n % 10 {
            0 => _ = std::panic::catch_unwind(|| panic!("swallowed {}", black_box(n))),
            1 => drop(tokio::task::spawn_blocking(move || panic!("far {n}")).await),
            2 => panic!("a literal"),
            _ => panic!("boom {}", black_box(n)),
        }
        Never::Ok(http::Response::new(Full::default()))
    });
    ask(layer, service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_after_the_first_thousand_of_a_hundred_thousand_panics() {
    std::panic::set_hook(Box::new(|_| {}));
    let layer = support::layer().on_report(|report| _ = black_box(report.to_text()));
    for n in 0..1_000 {
        fail(&layer, n).await;
    }
    let before = resident();
    for n in 1_000..100_000 {
        fail(&layer, n).await;
    }
    let after = resident();
    assert!(
        after * 10 <= before * 11,
        "{before} KiB grew to {after} KiB"
    );
}
