//! What stands around a service's answer until it is over: its place in the count of responses, and
//! what is said of a panic.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use tracing::error;

use super::pulse::Pulse;

/// A response that is not finished.
#[derive(Debug)]
pub(crate) struct ResponseGuard {
    pub(crate) pulse: Arc<Pulse>,
}

impl ResponseGuard {
    pub(super) fn new(pulse: Arc<Pulse>) -> Self {
        Self { pulse }
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.pulse.response_ended();
    }
}

/// The panic hook has said where; this says what became of it.
pub(crate) fn report_panic(panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(not text)");
    error!(message, "service panicked");
}

/// Drops what is the service's, whose destructor may panic.
pub(super) fn discard<T>(value: T) {
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        report_panic(&*panic);
    }
}
