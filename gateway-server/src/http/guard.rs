//! What must happen when a response is over, complete or not.

use std::sync::Arc;

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
