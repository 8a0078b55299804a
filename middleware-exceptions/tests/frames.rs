//! The traceback: whose frames, in which order, under which names.
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
use middleware_exceptions::{Folded, Note, Report};
use support::{Boxed, Log, Never, Script, Step, ask, handler, layer, ok, streaming};

/// The text of the one report of what the service does.
async fn text_of<S, R>(service: S) -> String
where
    S: tower_service::Service<Request<Boxed>, Response = Response<R>>,
    S::Error: Into<gateway_core::BoxError> + 'static,
    R: http_body::Body<Data = bytes::Bytes> + Unpin,
    R::Error: Into<gateway_core::BoxError> + 'static,
{
    let texts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&texts);
    let layer = layer().on_report(move |report| seen.lock().unwrap().push(report.to_text()));
    ask(&layer, service).await;
    let mut texts = texts.lock().unwrap();
    assert_eq!(texts.len(), 1);
    texts.remove(0)
}

/// The functions of yours in a text, the outermost first.
fn functions(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| line.starts_with("  File "))
        .filter_map(|line| Some(line.split_once(", in ")?.1))
        .collect()
}

#[inline(never)]
fn inner_helper(n: u32) -> u32 {
    if n < 1000 { panic!("inner {n}") } else { n }
}

#[inline(never)]
fn outer_helper(n: u32) -> u32 {
    inner_helper(n) + 1
}

#[tokio::test]
async fn nested_sync_shows_both_helpers_with_their_lines() {
    let text = text_of(handler(async |_| -> Never {
        outer_helper(black_box(7));
        Ok(ok("ok"))
    }))
    .await;
    let functions = functions(&text);
    let [.., outer, inner] = functions[..] else {
        panic!("{text}")
    };
    assert_eq!((outer, inner), ("outer_helper", "inner_helper"));
    assert!(text.contains("    inner_helper(n) + 1\n"), "{text}");
    assert!(
        text.contains("    if n < 1000 { panic!(\"inner {n}\") } else { n }\n"),
        "{text}"
    );
    assert!(text.starts_with("Traceback (most recent call last):\n"));
    assert!(text.contains("\npanic: inner 7\n"));
    assert!(
        text.contains("File \"middleware-exceptions/tests/frames.rs\", line "),
        "{text}"
    );
}

#[inline(never)]
async fn async_inner() {
    tokio::task::yield_now().await;
    panic!("boom in async {}", black_box(1));
}

#[inline(never)]
async fn async_outer() {
    async_inner().await;
}

#[tokio::test]
async fn nested_async_shows_the_functions_by_their_names() {
    let text = text_of(handler(async |_| -> Never {
        async_outer().await;
        Ok(ok("ok"))
    }))
    .await;
    let functions = functions(&text);
    let [.., outer, inner] = functions[..] else {
        panic!("{text}")
    };
    assert_eq!(
        (outer, inner),
        ("async async_outer", "async async_inner"),
        "{text}"
    );
}

#[inline(never)]
fn even(n: u32) -> u32 {
    if n == 0 {
        panic!("at the bottom")
    }
    odd(black_box(n) - 1) + 1
}

#[inline(never)]
fn odd(n: u32) -> u32 {
    even(black_box(n) - 1) + 1
}

#[tokio::test]
async fn a_recursion_is_shown_once_and_counted() {
    let text = text_of(handler(async |_| -> Never {
        even(black_box(40));
        Ok(ok("ok"))
    }))
    .await;
    assert_eq!(text.matches(", in odd\n").count(), 1, "{text}");
    // The innermost is at the panic's line, which is no part of the cycle.
    assert_eq!(text.matches(", in even\n").count(), 2, "{text}");
    assert!(
        text.contains("\n  ... the previous 2 frames repeated 19 more times\n"),
        "{text}"
    );
}

#[tokio::test]
async fn frames_of_others_are_folded_and_ours_are_left_out() {
    let text = text_of(handler(async |_| -> Never {
        assert_eq!(black_box("x").parse::<u8>().unwrap(), 1);
        Ok(ok("ok"))
    }))
    .await;
    assert!(text.contains("hidden (core"), "{text}");
    for ours in [
        "middleware-exceptions/src",
        "panic-capture/src",
        "rust_begin_unwind",
        "tokio::",
    ] {
        assert!(!text.contains(ours), "{ours} in {text}");
    }
}

#[tokio::test]
async fn a_body_that_panics_shows_its_frames() {
    let text = text_of(handler(async |_| {
        streaming(Script::new([
            Step::Chunk("chunk"),
            Step::Wait(1),
            Step::Panic,
        ]))
    }))
    .await;
    assert!(
        functions(&text).last().unwrap().ends_with("poll_frame"),
        "{text}"
    );
    assert!(text.contains("Stage: response body (after the response head)"));
}

#[tokio::test]
async fn spawn_blocking_shows_the_frames_of_its_thread() {
    let text = text_of(handler(async |_| -> Never {
        let task = tokio::task::spawn_blocking(|| outer_helper(black_box(8)));
        std::panic::resume_unwind(task.await.unwrap_err().into_panic())
    }))
    .await;
    let functions = functions(&text);
    let [.., outer, inner] = functions[..] else {
        panic!("{text}")
    };
    assert_eq!((outer, inner), ("outer_helper", "inner_helper"));
}

#[tokio::test]
async fn a_guarded_pool_thread_shows_its_frames() {
    let text = text_of(handler(async |_| -> Never {
        let task =
            tokio::task::spawn_blocking(|| panic_capture::guard(|| outer_helper(black_box(9))));
        match task.await.unwrap() {
            Ok(_) => Ok(ok("ok")),
            Err(caught) => caught.resume(),
        }
    }))
    .await;
    assert!(
        functions(&text).ends_with(&["outer_helper", "inner_helper"]),
        "{text}"
    );
}

#[tokio::test]
async fn what_the_handler_swallowed_is_never_shown() {
    let text = text_of(handler(async |_| -> Never {
        _ = std::panic::catch_unwind(|| outer_helper(black_box(1)));
        panic!("another {}", black_box(2))
    }))
    .await;
    assert!(!text.contains("inner_helper"), "{text}");
}

#[tokio::test]
async fn spans_are_listed_innermost_first_with_their_secrets_redacted() {
    use tracing::Instrument as _;
    let _log = Log::new();
    let text = text_of(handler(async |_| -> Never {
        let work = async {
            tracing::info_span!("load_row", id = 7).in_scope(|| panic!("boom"));
        };
        work.instrument(tracing::info_span!("request", path = "/a", token = "abc"))
            .await;
        Ok(ok("ok"))
    }))
    .await;
    if cfg!(feature = "tracing-error") {
        assert!(
            text.contains(
                "While in span load_row{id=7}\n      in span request{path=\"/a\" token=[redacted]}\n"
            ),
            "{text}"
        );
    } else {
        assert!(text.contains("While in span load_row\n"), "{text}");
    }
}

#[tokio::test]
async fn folding_keeps_every_frame() {
    let counts = Arc::new(Mutex::new((0, 0)));
    let seen = Arc::clone(&counts);
    let layer = layer().on_report(move |report| {
        let traceback = report.frames();
        let folded = traceback.folded().map(|folded| match folded {
            Folded::Frame(_) => 1,
            Folded::Others(frames) => frames.len(),
            Folded::Repeated { frames, times } => frames.len() * times,
        });
        *seen.lock().unwrap() = (traceback.frames().len(), folded.sum());
    });
    ask(&layer, handler(async |_| -> Never { panic!("boom") })).await;
    let (all, folded) = *counts.lock().unwrap();
    assert!(all > 0);
    assert_eq!(all, folded);
}

/// Sixteen functions that differ in their name only.
macro_rules! culprits {
    ($($name:ident)*) => {
        $(#[inline(never)] fn $name(n: usize) { panic!("culprit {n}") })*
        const CULPRITS: &[(fn(usize), &str)] = &[$(($name, stringify!($name)),)*];
    };
}
culprits!(culprit_a culprit_b culprit_c culprit_d culprit_e culprit_f culprit_g culprit_h
    culprit_i culprit_j culprit_k culprit_l culprit_m culprit_n culprit_o culprit_p);

/// The one test everything else stands on.
#[test]
fn of_many_concurrent_panics_none_ever_shows_anothers_frames() {
    const REQUESTS: usize = 400;
    static RIGHT: AtomicUsize = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(8)
        .enable_all()
        .build()
        .unwrap();
    let layer = layer().on_report(|report: &Report| {
        let (_, number) = report.message().rsplit_once(' ').unwrap();
        let (_, own) = CULPRITS[number.parse::<usize>().unwrap() % CULPRITS.len()];
        let text = report.to_text();
        for (_, name) in CULPRITS {
            assert_eq!(
                text.contains(&format!(", in {name}\n")),
                *name == own,
                "{text}"
            );
        }
        assert_ne!(report.frames().note(), Some(Note::Ambiguous));
        RIGHT.fetch_add(1, Ordering::Relaxed);
    });
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for task in 0..8 {
            let (layer, start, runtime) = (layer.clone(), &start, &runtime);
            let requests = move || async move {
                start.wait();
                for n in (task..REQUESTS).step_by(8) {
                    let (run, _) = CULPRITS[n % CULPRITS.len()];
                    // On the worker, after an await, on somebody's pool, and on a guarded one.
                    let service = handler(move |_| async move {
                        match n / 16 % 4 {
                            0 => run(n),
                            1 => {
                                tokio::task::yield_now().await;
                                run(n);
                            }
                            2 => {
                                let join = tokio::task::spawn_blocking(move || run(n)).await;
                                std::panic::resume_unwind(join.unwrap_err().into_panic());
                            }
                            _ => {
                                let guarded = move || panic_capture::guard(|| run(n));
                                let join = tokio::task::spawn_blocking(guarded).await;
                                join.unwrap().unwrap_err().resume();
                            }
                        }
                        Never::Ok(Response::new(Full::default()))
                    });
                    ask(&layer, service).await.assert_clean_500();
                }
            };
            scope.spawn(move || runtime.block_on(requests()));
        }
    });
    assert_eq!(RIGHT.load(Ordering::Relaxed), REQUESTS);
}

/// A ring of 64 once lost most of these, and the note blamed other hooks for it.
#[test]
fn panics_on_a_pool_keep_place_and_frames_however_many_fail_at_once() {
    const AT_ONCE: usize = 300;
    #[inline(never)]
    fn far(n: usize) {
        panic!("far {n}")
    }
    #[inline(never)]
    fn far_and_alike() {
        panic!("far and alike")
    }
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let layer = layer().on_report(|report: &Report| {
        let text = report.to_text();
        assert!(report.location().is_some(), "{text}");
        let is_alike = report.message() == "far and alike";
        let name = if is_alike { "far_and_alike" } else { "far" };
        assert!(text.contains(&format!(", in {name}\n")), "{text}");
        assert_ne!(report.frames().note(), Some(Note::Unseen), "{text}");
        SEEN.fetch_add(1, Ordering::Relaxed);
    });
    runtime.block_on(async {
        // All have panicked before the first is told of.
        let mut payloads = Vec::new();
        for n in 0..AT_ONCE {
            let run = move || if n % 3 == 0 { far_and_alike() } else { far(n) };
            let join = tokio::task::spawn_blocking(run).await;
            payloads.push(join.unwrap_err().into_panic());
        }
        for payload in payloads {
            let payload = Mutex::new(Some(payload));
            let service = handler(|_| {
                let payload = payload.lock().unwrap().take().unwrap();
                async move {
                    std::panic::resume_unwind(payload);
                    #[expect(unreachable_code, reason = "its type is that of the answer")]
                    Never::Ok(Response::new(Full::default()))
                }
            });
            ask(&layer, service).await.assert_clean_500();
        }
    });
    assert_eq!(SEEN.load(Ordering::Relaxed), AT_ONCE);
}
