//! Runs the clean-up when a response ends, complete or not.

use std::sync::Arc;

use super::shared_activity::SharedActivity;
use crate::ServerState;
use crate::state::CountedRequest;

/// A response that is not finished.
#[derive(Debug)]
pub(crate) struct ResponseGuard {
    pub(crate) activity: Arc<SharedActivity>,
    // Only where the program counts.
    pub(super) counted: Option<CountedRequest>,
}

impl ResponseGuard {
    pub(super) fn new(activity: Arc<SharedActivity>, state: Option<&ServerState>) -> Self {
        Self {
            activity,
            counted: state.map(ServerState::request_began),
        }
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.activity.response_ended();
    }
}
