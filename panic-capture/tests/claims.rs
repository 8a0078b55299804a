//! Which capture belongs to which payload.
#![cfg(feature = "hook")]
#![expect(clippy::panic, reason = "panics are what is tested")]

use std::{
    any::Any,
    hint::black_box,
    panic::{catch_unwind, panic_any, resume_unwind},
    sync::Barrier,
    thread,
};

use panic_capture::{Capture, Caught, MAX_FRAMES, MAX_KEPT, Missing, guard, install};

/// Guards it with the hook installed and the message on stderr left out.
fn caught<R>(run: impl FnOnce() -> R) -> Caught {
    install();
    panic_capture::silence_guarded(true);
    match guard(run) {
        Ok(_) => panic!("it did not panic"),
        Err(caught) => caught,
    }
}

fn line(caught: &Caught) -> Option<u32> {
    caught
        .capture
        .as_ref()
        .ok()
        .and_then(Capture::place)
        .map(|place| place.line)
}

fn names(capture: &Capture) -> Vec<String> {
    let mut names = Vec::new();
    for &address in capture.frames() {
        backtrace::resolve(address as *mut _, |symbol| {
            names.extend(symbol.name().map(|name| format!("{name:#}")));
        });
    }
    names
}

#[inline(never)]
fn inner_helper(n: u32) -> u32 {
    if n < 1000 { panic!("inner {n}") } else { n }
}

#[inline(never)]
fn outer_helper(n: u32) -> u32 {
    inner_helper(n) + 1
}

#[test]
fn frames_run_from_the_panic_to_the_guard_and_no_further() {
    let caught = caught(|| outer_helper(1));
    let names = names(caught.capture.as_ref().unwrap());
    let position = |what: &str| names.iter().position(|name| name.contains(what));
    assert!(
        position("inner_helper") < position("outer_helper"),
        "{names:#?}"
    );
    assert!(position("inner_helper").is_some(), "{names:#?}");
    assert!(
        position("frames_run_from").is_some(),
        "the guard's own frame is kept: {names:#?}"
    );
    assert!(
        position("test_main")
            .or(position("__rust_begin_short"))
            .is_none(),
        "{names:#?}"
    );
}

#[test]
fn the_place_of_unwrap_is_its_caller() {
    let caught = caught(|| black_box(None::<u8>).unwrap());
    assert_eq!(line(&caught), Some(line!() - 1));
    let capture = caught.capture.unwrap();
    assert!(capture.place().unwrap().file.ends_with("tests/claims.rs"));
    assert_eq!(capture.thread(), thread::current().name());
}

#[test]
fn every_kind_of_payload_is_claimed_on_its_own_thread() {
    let cases: [(&str, fn()); 6] = [
        ("formatted", || panic!("boom {}", black_box(1))),
        ("literal", || panic!("boom")),
        ("any", || panic_any(42_i32)),
        ("empty string", || panic_any(String::new())),
        ("unwrap on Err", || {
            assert_eq!("x".parse::<u8>().unwrap(), 1);
        }),
        ("index", || assert_eq!([1, 2, 3][black_box(3)], 1)),
    ];
    for (what, run) in cases {
        assert!(caught(run).capture.is_ok(), "{what}");
    }
}

#[test]
fn what_the_code_below_swallowed_is_not_shown_for_a_later_panic() {
    let caught = caught(|| {
        _ = catch_unwind(|| panic!("swallowed {}", black_box(1)));
        panic!("raised {}", black_box(2))
    });
    assert_eq!(line(&caught), Some(line!() - 2));
}

#[test]
fn of_two_panics_with_one_literal_there_is_what_they_share() {
    let first = line!() + 2;
    fn take(option: Option<u8>) -> u8 {
        option.unwrap()
    }
    let caught = caught(|| {
        _ = catch_unwind(|| take(None));
        black_box(None::<u8>).unwrap()
    });
    let capture = caught.capture.unwrap();
    assert_eq!(capture.doubt(), Some(Missing::Ambiguous));
    assert_eq!(capture.place(), None);
    let lines: Vec<_> = capture
        .candidates()
        .iter()
        .map(|place| place.line)
        .collect();
    assert_eq!(lines, [first, first + 4]);
    let names = names(&capture);
    assert!(
        !names.iter().any(|name| name.contains("claims")),
        "{names:#?}"
    );
}

#[test]
fn one_literal_raised_again_and_again_at_one_place_is_clear() {
    fn attempt() {
        panic!("again");
    }
    let caught = caught(|| {
        for n in 0.. {
            match catch_unwind(attempt) {
                Err(payload) if n == 2 => resume_unwind(payload),
                _ => {}
            }
        }
    });
    assert!(caught.capture.is_ok(), "{caught:?}");
}

#[test]
fn a_fresh_payload_that_is_resumed_has_no_capture() {
    let caught = caught(|| resume_unwind(Box::new(String::from("no hook has seen it"))));
    assert_eq!(caught.capture.unwrap_err(), Missing::Unseen);
}

#[test]
fn a_resumed_panic_is_claimed_where_it_first_happened() {
    let at = line!() + 2;
    let caught = caught(|| {
        let payload = catch_unwind(|| panic!("first {}", black_box(1))).unwrap_err();
        resume_unwind(payload)
    });
    assert_eq!(line(&caught), Some(at));
}

#[test]
fn a_panic_kept_back_for_a_later_guard_of_its_thread_is_found_there() {
    install();
    panic_capture::silence_guarded(true);
    let at = line!() + 1;
    let kept = guard(|| catch_unwind(|| panic!("kept {}", black_box(1))).unwrap_err()).unwrap();
    let later = caught(|| resume_unwind(kept));
    assert_eq!(line(&later), Some(at));
}

#[test]
fn a_panic_of_another_thread_is_found_when_it_is_resumed() {
    install();
    let at = line!() + 2;
    let caught = caught(|| {
        let payload = thread::spawn(|| panic!("far away {}", black_box(1)))
            .join()
            .unwrap_err();
        resume_unwind(payload)
    });
    assert_eq!(line(&caught), Some(at));
}

#[test]
fn a_guarded_thread_hands_its_capture_across() {
    #[derive(Debug)]
    struct Own;
    let at = line!() + 3;
    // Of a type without an identity: only the capture that travels along can be right.
    let outer = caught(|| {
        thread::spawn(|| guard(|| panic_any(Own)))
            .join()
            .unwrap()
            .unwrap_err()
            .resume()
    });
    assert_eq!(line(&outer), Some(at));
    assert!(outer.payload.is::<Own>());
}

#[test]
fn of_payloads_of_one_type_that_wait_from_other_threads_there_is_what_they_share() {
    install();
    #[derive(Debug)]
    struct Same(#[expect(dead_code, reason = "tells them apart for a reader")] u8);
    #[inline(never)]
    fn raise(n: u8) {
        panic_any(Same(n));
    }
    #[inline(never)]
    fn first_caller() {
        raise(1);
        black_box(());
    }
    #[inline(never)]
    fn second_caller() {
        raise(2);
        black_box(());
    }
    let at = line!() - 12;
    let far = |run: fn()| thread::spawn(run).join().unwrap_err();
    let payloads = [far(first_caller), far(second_caller), far(first_caller)];
    for payload in payloads {
        let capture = caught(|| resume_unwind(payload)).capture.unwrap();
        assert_eq!(capture.doubt(), Some(Missing::Ambiguous));
        // They agree on it, so it is sure.
        assert_eq!(capture.place().unwrap().line, at);
        let names = names(&capture);
        assert!(
            names.iter().any(|name| name.ends_with("::raise")),
            "{names:#?}"
        );
        assert!(
            !names.iter().any(|name| name.ends_with("_caller")),
            "{names:#?}"
        );
    }
    let none_is_left = caught(|| resume_unwind(Box::new(Same(3))));
    assert_eq!(none_is_left.capture.unwrap_err(), Missing::Unseen);
}

#[test]
fn nested_guards_claim_the_innermost_first() {
    let at = line!() + 2;
    let outer = caught(|| {
        let inner = guard(|| panic!("inner {}", black_box(1))).unwrap_err();
        assert_eq!(line(&inner), Some(at));
        panic!("outer {}", black_box(2))
    });
    assert_eq!(line(&outer), Some(at + 2));
}

#[test]
fn a_stack_deeper_than_the_limit_says_that_it_was_cut() {
    #[inline(never)]
    fn dig(depth: usize) -> usize {
        if depth == 0 {
            panic!("bottom {depth}")
        }
        black_box(dig(depth - 1)) + 1
    }
    let capture = caught(|| dig(4 * MAX_FRAMES)).capture.unwrap();
    assert!(capture.is_truncated());
    assert_eq!(capture.frames().len(), MAX_FRAMES);
}

#[test]
fn more_swallowed_panics_than_are_kept_do_not_hide_the_last() {
    let caught = caught(|| {
        for n in 0..3 * MAX_KEPT {
            _ = catch_unwind(|| panic!("swallowed {n}"));
        }
        panic!("the last {}", black_box(1))
    });
    assert_eq!(line(&caught), Some(line!() - 2));
}

#[test]
fn a_payload_whose_drop_panics_is_discarded() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Self);
        }
    }
    let caught = caught(|| panic_any(Bomb));
    // The payload of that drop's panic is a bomb itself.
    panic_capture::discard(caught.payload);
}

#[test]
fn concurrent_panics_never_claim_one_anothers_frames() {
    const EACH: usize = 200;
    #[inline(never)]
    fn left(n: usize) {
        panic!("same text {n}")
    }
    #[inline(never)]
    fn right(n: usize) {
        panic!("same text {n}")
    }
    install();
    panic_capture::silence_guarded(true);
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for worker in 0..8 {
            let start = &start;
            let (run, name): (fn(usize), _) = if worker % 2 == 0 {
                (left, "::left")
            } else {
                (right, "::right")
            };
            scope.spawn(move || {
                start.wait();
                for n in 0..EACH {
                    let caught = guard(|| run(n)).unwrap_err();
                    let names = names(caught.capture.as_ref().unwrap());
                    let own = names.iter().filter(|found| found.ends_with(name)).count();
                    let any = names
                        .iter()
                        .filter(|found| found.ends_with("::left") || found.ends_with("::right"))
                        .count();
                    assert_eq!((own, any), (1, 1), "{names:#?}");
                }
            });
        }
    });
}

#[test]
fn a_guard_returns_what_its_closure_returns() {
    assert_eq!(guard(|| 7).unwrap(), 7);
    assert!(!panic_capture::is_guarded());
    assert!(guard(panic_capture::is_guarded).unwrap());
}

#[test]
fn everything_is_send() {
    fn send<T: Send>() {}
    send::<Capture>();
    send::<Caught>();
    send::<Box<dyn Any + Send>>();
}

#[test]
fn a_caught_panic_is_an_error_that_says_where_and_what() {
    let here = line!() + 1;
    let formatted = caught(|| panic!("no {}", "more"));
    let file = file!();
    let text = formatted.to_string();
    assert!(
        text.starts_with(&format!("panicked at {file}:{here}:")) && text.ends_with(": no more"),
        "{text}"
    );
    assert_eq!(caught(|| panic!("a literal")).message(), Some("a literal"));
    let number = caught(|| panic_any(7));
    assert_eq!(number.message(), None);
    assert!(number.to_string().ends_with(": (not text)"));
}
