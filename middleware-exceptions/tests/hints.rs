//! What to do about the commonest panics: each is provoked, and told by what std, tokio and axum really say.
#![expect(
    clippy::panic,
    clippy::todo,
    clippy::unreachable,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "panics are what is tested"
)]

mod support;

use std::{
    cell::RefCell,
    hint::black_box,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::get};
use support::{Never, ask, handler, layer, ok};

/// The hint of what the handler panics with, and the whole message.
async fn hint(provoke: fn()) -> (Option<&'static str>, String) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reports = Arc::clone(&seen);
    let layer = layer().on_report(move |report| {
        let text = report.to_text();
        let hint = report.hint();
        assert!(hint.is_none_or(|hint| text.contains(&format!("\nHint: {hint}\n"))));
        reports
            .lock()
            .unwrap()
            .push((hint, report.message().to_owned()));
    });
    let panics = handler(move |_| async move {
        provoke();
        Never::Ok(ok("no panic"))
    });
    ask(&layer, panics).await;
    seen.lock()
        .unwrap()
        .pop()
        .unwrap_or((None, "no panic".into()))
}

fn poisoned() {
    static LOCK: Mutex<()> = Mutex::new(());
    let poison = std::thread::spawn(|| {
        let _guard = LOCK.lock();
        std::panic::resume_unwind(Box::new(()));
    });
    _ = poison.join();
    drop(LOCK.lock().unwrap());
}

fn number(text: &str) -> i32 {
    black_box(text).parse().unwrap()
}

#[tokio::test]
async fn each_of_the_commonest_panics_has_its_sentence() {
    let cases: [(fn(), &str); 21] = [
        (|| _ = black_box(None::<u8>).unwrap(), "`.ok_or(..)?`"),
        (|| _ = number("x"), "`?` hands it"),
        (poisoned, "held this lock"),
        (|| _ = black_box([1, 2])[black_box(5)], "`.get(index)`"),
        (
            || _ = black_box(&[1, 2][..])[..black_box(5)].len(),
            "`.get(start..end)`",
        ),
        (
            || _ = black_box(&[1, 2][..])[black_box(5)..].len(),
            "`.get(start..)`",
        ),
        (|| _ = black_box(1) / black_box(0), "`checked_div`"),
        (|| _ = black_box(1) % black_box(0), "`checked_rem`"),
        (
            || {
                let cell = RefCell::new(1);
                let _first = cell.borrow_mut();
                _ = *cell.borrow();
            },
            "`RefCell`",
        ),
        (
            || {
                let cell = RefCell::new(1);
                let _first = cell.borrow();
                *cell.borrow_mut() = 2;
            },
            "`RefCell`",
        ),
        (
            || _ = black_box("aü")[black_box(2)..].len(),
            "`char_indices`",
        ),
        (|| todo!(), "`todo!()`"),
        (|| unreachable!(), "`unreachable!()`"),
        (
            || {
                let thread = std::thread::spawn(|| {
                    std::panic::catch_unwind(|| drop(tokio::time::sleep(std::time::Duration::ZERO)))
                });
                std::panic::resume_unwind(thread.join().unwrap().unwrap_err());
            },
            "`Handle::enter()`",
        ),
        (
            || tokio::runtime::Runtime::new().unwrap().block_on(async {}),
            "`spawn_blocking`",
        ),
        (
            || drop(tokio::sync::Mutex::new(()).blocking_lock()),
            "(`blocking_lock`",
        ),
        (
            || drop(tokio::runtime::Runtime::new()),
            "make it once at the start",
        ),
        (
            || {
                let routes = Router::<()>::new().route("/", get("a"));
                drop(routes.route("/", get("b")));
            },
            "Two handlers",
        ),
        (
            || {
                let routes = Router::<()>::new().route("/{a}", get("a"));
                drop(routes.route("/{b}", get("b")));
            },
            "match the same paths",
        ),
        (
            || drop(Router::<()>::new().route("/:id", get("a"))),
            "`/{id}`",
        ),
        (
            || drop(Router::<()>::new().route("/*rest", get("a"))),
            "`/{*rest}`",
        ),
    ];
    for (provoke, part) in cases {
        let (hint, message) = hint(provoke).await;
        assert!(
            hint.is_some_and(|hint| hint.contains(part)),
            "{message}: {hint:?}"
        );
    }
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn arithmetic_that_overflows_has_its_sentence() {
    let cases: [fn(); 3] = [
        || _ = black_box(0_u8) - black_box(1),
        || _ = black_box(255_u8) + black_box(1),
        || _ = black_box(i32::MIN).abs(),
    ];
    for provoke in cases {
        let (hint, message) = hint(provoke).await;
        assert!(
            hint.is_some_and(|hint| hint.contains("saturating")),
            "{message}: {hint:?}"
        );
    }
}

#[tokio::test]
async fn a_message_of_the_programs_own_has_none() {
    let (hint, message) = hint(|| panic!("boom")).await;
    assert_eq!((hint, message.as_str()), (None, "boom"));
}
