//! Whether the frames of a report are at hand, and who makes them where not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{
    frames::{Note, program},
    pending::{
        budget::Budget,
        worker::{self, Signal},
    },
    report::Report,
};

/// Failures that need the debug information and may ask for it at once, and per second.
const BURST: f64 = 512.0;
const PER_SECOND: f64 = 64.0;

pub(crate) enum Prepared {
    /// Everything is in the cache.
    Now,
    /// It will be.
    When(Arc<Signal>),
    /// Not for this one.
    Never(Note),
}

/// Prepares `report.frames()`, so that the call itself costs little.
pub(crate) fn prepare(report: &Arc<Report>) -> Prepared {
    if report.is_ready() {
        return Prepared::Now;
    }
    if !take_token() {
        return Prepared::Never(Note::TooMany);
    }
    let shared = Arc::clone(report);
    match worker::run_and_signal(move || _ = shared.frames()) {
        Some(signal) => Prepared::When(signal),
        None => Prepared::Never(Note::TooMany),
    }
}

/// Loads the debug information before the first failure needs it.
pub(crate) fn warm() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        worker::run(|| _ = program::root());
    });
}

/// What an attacker can make us do is bounded: the rest of a storm gets the place only.
fn take_token() -> bool {
    static BUDGET: Mutex<Budget> = Mutex::new(Budget::new(BURST, PER_SECOND));
    let mut budget = BUDGET.lock().unwrap_or_else(PoisonError::into_inner);
    budget.take(Instant::now()).is_some()
}
