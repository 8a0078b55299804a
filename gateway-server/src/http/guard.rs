//! What must happen when a response is over, complete or not.

use std::sync::Arc;

use super::shared_activity::SharedActivity;

/// A response that is not finished.
#[derive(Debug)]
pub(crate) struct ResponseGuard {
    pub(crate) activity: Arc<SharedActivity>,
}

impl ResponseGuard {
    pub(super) fn new(activity: Arc<SharedActivity>) -> Self {
        Self { activity }
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.activity.response_ended();
    }
}
