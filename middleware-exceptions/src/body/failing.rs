//! A body that has failed after the head was sent, on its way to a visible end.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Frame;

use crate::{
    failure::body_error::BodyError,
    pending::{pending_report::PendingReport, worker::Signal},
};

/// A body that has failed, on its way to its end.
pub(crate) struct Failing {
    pub(crate) pending: PendingReport,
    pub(crate) error: Option<BodyError>,
    pub(crate) append: bool,
    pub(crate) polls: u8,
    pub(crate) flushed: Arc<Signal>,
}

impl Failing {
    /// Pending until what was produced before has had its best chance to be sent.
    ///
    /// A server flushes when a body is pending, and drops what it holds when a body fails: hyper
    /// even drops the head. A body is not told what was flushed, so it waits for two wakes of its own and a short time.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.error.is_none() {
            return Poll::Ready(None);
        }
        ready!(self.pending.poll_emitted(cx));
        if mem::take(&mut self.append) && self.pending.is_shown() {
            let text = format!("\n\n{}", self.pending.text());
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        }
        self.polls = self.polls.saturating_add(1);
        if self.polls <= 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.flushed.poll(cx));
        Poll::Ready(self.error.take().map(Err))
    }
}
