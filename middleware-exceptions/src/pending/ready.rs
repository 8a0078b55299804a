//! Whether what an error says and the frames of a report are at hand, and who asks for them where not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{
    frames::program,
    pending::{
        budget::Budget,
        worker::{self, Signal},
    },
    report::Report,
};

/// Failures that need the debug information and may ask for it at once, and per second.
const BURST: f64 = 512.0;
const PER_SECOND: f64 = 64.0;

/// So many failures queue. Most cost microseconds: they have the frames of one before them. Beyond, there is the place, and the
/// async worker asks the error what it says.
const QUEUE: usize = 4096;

pub(crate) enum Prepared {
    /// The report is prepared.
    Now,
    /// The thread is preparing it.
    When(Arc<Signal>),
    /// The report is made without them.
    Never,
}

/// Prepares the report, so that reading it is cheap and runs none of the program's code.
pub(crate) fn prepare(report: &Arc<Report>) -> Prepared {
    if report.has_frames() && report.is_described() {
        return Prepared::Now;
    }
    let shared = Arc::clone(report);
    match worker::run_and_signal(QUEUE, move || name(&shared)) {
        Some(signal) => Prepared::When(signal),
        None => Prepared::Never,
    }
}

/// As [`prepare`], for a report that no client waits for: `then` runs when it is prepared, at once or on the thread. `false`
/// where neither can be.
pub(crate) fn prepare_and(report: &Arc<Report>, then: impl FnOnce() + Send + 'static) -> bool {
    if report.has_frames() && report.is_described() {
        then();
        return true;
    }
    let shared = Arc::clone(report);
    worker::run(QUEUE, move || {
        name(&shared);
        then();
    })
}

/// Runs on the thread. By now the names may be cached.
fn name(report: &Report) {
    if report.has_frames() || take_token() {
        report.prepare();
    } else {
        report.give_frames_up();
        report.describe();
    }
}

/// Loads the debug information before the first failure needs it.
pub(crate) fn warm() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        worker::run(QUEUE, || _ = program::root());
    });
}

/// Bounds the work that an attacker can cause: failures beyond the budget get only their place.
fn take_token() -> bool {
    static BUDGET: Mutex<Budget> = Mutex::new(Budget::new(BURST, PER_SECOND));
    let mut budget = BUDGET.lock().unwrap_or_else(PoisonError::into_inner);
    budget.take(Instant::now()).is_some()
}
