//! Frames that may be mistaken for another request's. A process of its own: what nobody claims waits in a
//! ring that all tests would share.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    hint::black_box,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Request, Response};
use http_body_util::Full;
use middleware_exceptions::Report;
use support::{Never, ask_for, handler, layer};

/// Literals are what frames are mistaken by: all of these have one payload.
const ALIKE: [(fn(), &str); 4] = [
    (alike_a, "alike_a"),
    (alike_b, "alike_b"),
    (alike_c, "alike_c"),
    (alike_d, "alike_d"),
];
const ONE_TEXT: &str = "one text for all";

#[inline(never)]
fn alike_a() {
    std::panic::panic_any(black_box(ONE_TEXT));
}
#[inline(never)]
fn alike_b() {
    std::panic::panic_any(black_box(ONE_TEXT));
}
#[inline(never)]
fn alike_c() {
    std::panic::panic_any(black_box(ONE_TEXT));
}
#[inline(never)]
fn alike_d() {
    std::panic::panic_any(black_box(ONE_TEXT));
}

#[test]
fn of_many_concurrent_panics_with_one_literal_none_shows_anothers_frames() {
    const REQUESTS: usize = 400;
    static SHOWN: AtomicUsize = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let wrong = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&wrong);
    let layer = layer().on_report(move |report: &Report| {
        let number: usize = report.request().path()[1..].parse().unwrap();
        let (_, own) = ALIKE[number % ALIKE.len()];
        let text = report.to_text();
        for (_, name) in ALIKE {
            let is_shown = text.contains(&format!(", in {name}\n"));
            if is_shown && name != own {
                seen.lock().unwrap().push(text.clone());
            }
            if is_shown && name == own {
                SHOWN.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for task in 0..4 {
            let (layer, start, runtime) = (layer.clone(), &start, &runtime);
            let requests = move || async move {
                start.wait();
                for n in (task..REQUESTS).step_by(4) {
                    let (run, _) = ALIKE[n % ALIKE.len()];
                    let (other, _) = ALIKE[(n + 1) % ALIKE.len()];
                    let service = handler(move |_| async move {
                        match n / 4 % 4 {
                            // On this thread, which may be another after the await.
                            0 => {
                                tokio::task::yield_now().await;
                                run();
                            }
                            // After one of the same that was swallowed.
                            1 => {
                                _ = std::panic::catch_unwind(other);
                                run();
                            }
                            // On somebody's pool.
                            2 => {
                                let join = tokio::task::spawn_blocking(run).await;
                                std::panic::resume_unwind(join.unwrap_err().into_panic());
                            }
                            // There, and swallowed; this one no hook has seen.
                            _ => {
                                _ = tokio::task::spawn_blocking(other).await;
                                std::panic::resume_unwind(Box::new(ONE_TEXT));
                            }
                        }
                        Never::Ok(Response::new(Full::default()))
                    });
                    let request = Request::get(format!("/{n}"));
                    ask_for(&layer, service, request).await.assert_clean_500();
                }
            };
            scope.spawn(move || runtime.block_on(requests()));
        }
    });
    let wrong = wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{} wrong: {}", wrong.len(), wrong[0]);
    // Where there is no doubt, there are frames.
    assert!(SHOWN.load(Ordering::Relaxed) >= REQUESTS / 4);
}
