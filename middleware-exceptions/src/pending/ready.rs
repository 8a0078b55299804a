//! Whether what an error says and the frames of a report are at hand, and who asks for them where not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{
    frames::{Note, Traceback, program},
    pending::{
        budget::Budget,
        worker::{self, Signal},
    },
    report::Report,
};

/// Failures that need the debug information and may ask for it at once, and per second.
const BURST: f64 = 512.0;
const PER_SECOND: f64 = 64.0;

/// So many failures queue for frames that have to be made.
const SLOW: usize = 256;

/// So many queue for what takes an error microseconds to say, unless its `Display` is slow. Beyond, the async worker asks it.
const QUICK: usize = 4096;

pub(crate) enum Prepared {
    /// Everything is at hand.
    Now,
    /// It will be.
    When(Arc<Signal>),
    /// Not for this one.
    Never(Note),
}

/// Prepares the report, so that to read it costs little and runs none of the program's code.
pub(crate) fn prepare(report: &Arc<Report>) -> Prepared {
    let has_frames = report.has_frames();
    if has_frames && report.is_told() {
        return Prepared::Now;
    }
    let may_have_frames = has_frames || take_token();
    if !may_have_frames && report.is_told() {
        return Prepared::Never(Note::TooMany);
    }
    let shared = Arc::clone(report);
    let queue = if has_frames { QUICK } else { SLOW };
    let sent = worker::run_and_signal(queue, move || {
        shared.tell();
        if may_have_frames {
            _ = shared.frames();
        } else {
            shared.set_traceback(Traceback::without(shared.location(), Note::TooMany));
        }
    });
    match sent {
        Some(signal) => Prepared::When(signal),
        None => Prepared::Never(Note::TooMany),
    }
}

/// As [`prepare`], for a report that no client waits for: `then` runs when it is prepared, at once or on the thread. `false`
/// where neither can be.
pub(crate) fn prepare_and(report: &Arc<Report>, then: impl FnOnce() + Send + 'static) -> bool {
    let has_frames = report.has_frames();
    if has_frames && report.is_told() {
        then();
        return true;
    }
    let shared = Arc::clone(report);
    let queue = if has_frames { QUICK } else { SLOW };
    worker::run(queue, move || {
        shared.prepare();
        then();
    })
}

/// Loads the debug information before the first failure needs it.
pub(crate) fn warm() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        worker::run(SLOW, || _ = program::root());
    });
}

/// What an attacker can make us do is bounded: the rest of a storm gets the place only.
fn take_token() -> bool {
    static BUDGET: Mutex<Budget> = Mutex::new(Budget::new(BURST, PER_SECOND));
    let mut budget = BUDGET.lock().unwrap_or_else(PoisonError::into_inner);
    budget.take(Instant::now()).is_some()
}
