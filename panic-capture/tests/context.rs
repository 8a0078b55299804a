//! What the hook is asked to keep (a process of its own: the context is set once).
#![cfg(feature = "hook")]
#![expect(clippy::panic, reason = "panics are what is tested")]

use std::{
    any::Any,
    cell::Cell,
    hint::black_box,
    panic::catch_unwind,
    sync::atomic::{AtomicUsize, Ordering},
};

use panic_capture::{guard, install, set_context};

thread_local!(static SPAN: Cell<u32> = const { Cell::new(0) });

static DROPPED_IN_HOOK: AtomicUsize = AtomicUsize::new(0);

/// As a span: somebody else's code runs when it is dropped.
struct Span(u32);

impl Drop for Span {
    fn drop(&mut self) {
        // While unwinding a drop is somebody's; in the hook the payload is still being raised.
        if SPAN.get() == u32::MAX {
            DROPPED_IN_HOOK.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn the_context_of_the_hook_comes_with_the_capture_and_is_never_dropped_inside_a_hook() {
    std::panic::set_hook(Box::new(|_| SPAN.set(0)));
    install();
    assert!(set_context(|| {
        let now = SPAN.get();
        SPAN.set(u32::MAX);
        Some(Box::new(Span(now)) as Box<dyn Any + Send>)
    }));
    assert!(!set_context(|| None), "the first one stays");

    let caught = guard(|| {
        SPAN.set(5);
        panic!("in span {}", black_box(5))
    })
    .map(|(): ()| ())
    .unwrap_err();
    let context = caught.capture.as_ref().unwrap().context().unwrap();
    assert_eq!(context.downcast_ref::<Span>().unwrap().0, 5);

    // Many more than are kept, below a guard and without one.
    guard(|| {
        for n in 0..100 {
            _ = catch_unwind(|| panic!("swallowed {n}"));
        }
    })
    .unwrap();
    for n in 0..200 {
        _ = catch_unwind(|| panic!("swallowed {n}"));
    }
    assert_eq!(DROPPED_IN_HOOK.load(Ordering::Relaxed), 0);
}
