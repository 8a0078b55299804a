//! A body that failed after the head was sent: it waits for the report, then ends in an error.

use std::{
    mem,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use gateway_core::flush::FlushPause;
use http_body::Frame;

use crate::{failure::body_error::BodyError, pending::pending_report::PendingReport};

/// A body that has failed and has yet to end.
pub(crate) struct Failing {
    pub(crate) pending: PendingReport,
    pub(crate) error: Option<BodyError>,
    pub(crate) append: bool,
    pub(crate) flush: FlushPause,
    pub(crate) flush_time: Duration,
}

impl Failing {
    /// Pending until the failure is reported and the earlier pieces had time to be sent.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.error.is_none() {
            return Poll::Ready(None);
        }
        ready!(self.pending.poll_emitted(cx));
        if mem::take(&mut self.append) && self.pending.is_shown() {
            let text = format!("\n\n{}", self.pending.text());
            self.flush.piece_given();
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        }
        ready!(self.flush.poll(self.flush_time, cx));
        Poll::Ready(self.error.take().map(Err))
    }
}
