//! More panics at once than used to be kept. A process of its own: they all wait in one ring.
#![cfg(feature = "hook")]
#![expect(clippy::panic, reason = "panics are what is tested")]

use std::{
    any::Any,
    hint::black_box,
    panic::{catch_unwind, resume_unwind},
};

use panic_capture::{Caught, Missing, RING, RING_FRAMES, guard, install};

/// Of `fail`.
const LINE: u32 = line!() + 5;

/// Below no guard, as in a thread pool.
#[inline(never)]
fn fail(n: usize) -> Box<dyn Any + Send> {
    catch_unwind(|| panic!("number {}", black_box(n))).unwrap_err()
}

#[inline(never)]
fn fail_deep_down(n: usize, depth: usize) -> Box<dyn Any + Send> {
    if depth == 0 {
        fail(n)
    } else {
        black_box(fail_deep_down(n, depth - 1))
    }
}

fn resumed(payload: Box<dyn Any + Send>) -> Caught {
    guard(|| resume_unwind(payload)).unwrap_err()
}

#[test]
fn a_crowd_of_panics_keeps_its_frames_where_there_is_room_and_its_places_always() {
    // Those that are expected say nothing.
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.starts_with("number ") {
            eprintln!("{info}");
        }
    }));
    install();

    // With a ring of 64, four of five lost everything.
    let payloads: Vec<_> = (0..400).map(fail).collect();
    for payload in payloads {
        let capture = resumed(payload).capture.unwrap();
        assert_eq!(capture.place().unwrap().line, LINE);
        assert!(!capture.frames().is_empty());
        assert_eq!(capture.doubt(), None);
    }

    // More frames than are kept: the oldest give theirs up.
    let payloads: Vec<_> = (0..1200).map(|n| fail_deep_down(n, 100)).collect();
    let captures: Vec<_> = payloads
        .into_iter()
        .map(|payload| resumed(payload).capture.unwrap())
        .collect();
    let frames: usize = captures.iter().map(|capture| capture.frames().len()).sum();
    assert!(
        (RING_FRAMES * 9 / 10..=RING_FRAMES).contains(&frames),
        "{frames}"
    );
    for capture in &captures {
        assert_eq!(capture.place().unwrap().line, LINE);
        let expected = capture.frames().is_empty().then_some(Missing::TooMany);
        assert_eq!(capture.doubt(), expected);
    }

    // More panics than are kept: of the oldest nothing is known but that there were too many.
    let payloads: Vec<_> = (0..RING + 10).map(fail).collect();
    for (n, payload) in payloads.into_iter().enumerate() {
        match resumed(payload).capture {
            Ok(capture) => assert_eq!(capture.place().unwrap().line, LINE),
            Err(missing) => assert_eq!((missing, n < 10), (Missing::TooMany, true), "{n}"),
        }
    }
}
