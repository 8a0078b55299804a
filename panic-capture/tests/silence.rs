//! The hook that was there before ours (a process of its own: hooks are the process's).
#![cfg(feature = "hook")]
#![expect(clippy::panic, reason = "panics are what is tested")]

use std::{
    panic::catch_unwind,
    sync::atomic::{AtomicUsize, Ordering},
};

use panic_capture::{guard, install, silence_guarded};

#[test]
fn the_hook_before_ours_is_called_unless_it_is_silenced_below_a_guard() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(|_| {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }));
    install();
    install();
    let calls = || CALLS.swap(0, Ordering::Relaxed);

    _ = guard(|| panic!("guarded")).map(|(): ()| ());
    assert_eq!(calls(), 1, "chained, once");
    silence_guarded(true);
    _ = guard(|| panic!("guarded")).map(|(): ()| ());
    assert_eq!(calls(), 0);
    _ = catch_unwind(|| panic!("on its own"));
    assert_eq!(calls(), 1);
    silence_guarded(false);
    _ = guard(|| panic!("guarded")).map(|(): ()| ());
    assert_eq!(calls(), 1);
}
