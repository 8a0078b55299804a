//! The same calls where the feature `hook` is off.
#![cfg(not(feature = "hook"))]
#![expect(clippy::panic, reason = "panics are what is tested")]

use std::hint::black_box;

use panic_capture::{Missing, guard, install};

#[test]
fn a_panic_is_caught_and_resumed_without_a_capture() {
    install();
    let inner = guard(|| panic!("boom {}", black_box(1)))
        .map(|(): ()| ())
        .unwrap_err();
    assert_eq!(inner.capture.as_ref().unwrap_err(), &Missing::Unseen);
    let outer = guard(|| inner.resume()).map(|(): ()| ()).unwrap_err();
    assert_eq!(outer.payload.downcast_ref::<String>().unwrap(), "boom 1");
}
