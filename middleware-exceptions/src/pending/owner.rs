//! Whether the client's end of the connection belongs to one who may see details: looked up off the async workers.

use std::{
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use gateway_core::developer::{self, Facts, judge};

use crate::{
    pending::worker::{self, Signal},
    request::gate::Verdict,
};

/// A look-up that is under way, or was refused because too many are.
pub(crate) struct OwnerLookUp {
    answer: Arc<OnceLock<Verdict>>,
    done: Option<Arc<Signal>>,
}

impl OwnerLookUp {
    pub(crate) fn new(facts: Facts) -> Self {
        let answer = Arc::new(OnceLock::new());
        let room = Arc::clone(&answer);
        let done = worker::run_and_signal(move || {
            _ = room.set(judge(&facts.look_up()).into());
        });
        Self { answer, done }
    }

    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Verdict> {
        if let Some(done) = &self.done {
            ready!(done.poll(cx));
        }
        let unasked = || Err(developer::Reason::Unasked).into();
        Poll::Ready(self.answer.get().cloned().unwrap_or_else(unasked))
    }
}
