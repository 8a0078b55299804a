//! A hook set after ours (a process of its own: hooks are the process's).
#![cfg(feature = "hook")]
#![expect(clippy::panic, reason = "panics are what is tested")]

use std::hint::black_box;

use panic_capture::{Missing, guard, install};

#[test]
fn a_later_hook_that_does_not_chain_takes_the_capture_and_not_the_catch() {
    install();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = guard(|| panic!("boom {}", black_box(1)))
        .map(|(): ()| ())
        .unwrap_err();
    assert_eq!(caught.payload.downcast_ref::<String>().unwrap(), "boom 1");
    assert_eq!(caught.capture.unwrap_err(), Missing::Unseen);
}
