//! The response body: watched while it streams, and ended visibly when it fails.

mod failing;
pub(crate) mod stream_state;

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http_body::{Body, Frame, SizeHint};
use panic_capture::{Caught, Guard, Here, discard, guard};

use crate::{
    body::{
        failing::Failing,
        stream_state::{FirstFrame, StreamState},
    },
    failure::{
        body_error::{BodyError, is_reported},
        cause::{Cause, Classified},
        facts::Stage,
    },
    pending::pending_report::{self, PendingReport},
};

/// The body of [`Exceptions`](crate::Exceptions): the inner one, or the text of a failure.
///
/// Frames, trailers, `size_hint` and `is_end_stream` are those of the inner body. One that is whole in its first
/// frame, and said so, is dropped when that was read: before the head is sent. A body
/// that fails after the head was sent ends in a [`BodyError`], so that the client sees
/// that it was cut.
///
/// `Send` where the inner body is; not `Sync`.
pub struct ResponseBody<B> {
    state: State<B>,
}

enum State<B> {
    /// A whole body in one piece, read before the head went out, or text of ours. `None` at its end.
    Whole(Option<Bytes>),
    Streaming {
        /// `None` when it has failed, and was dropped.
        inner: Option<B>,
        stream: Box<StreamState>,
    },
}

impl<B> ResponseBody<B> {
    #[inline(always)]
    pub(crate) fn streaming(inner: B, stream: Box<StreamState>) -> Self {
        Self {
            state: State::Streaming {
                inner: Some(inner),
                stream,
            },
        }
    }

    #[inline(always)]
    pub(crate) fn whole(data: Option<Bytes>) -> Self {
        Self {
            state: State::Whole(data),
        }
    }

    /// Drops the inner body once, even if its `Drop` panics, and ends this body.
    fn end(&mut self) {
        let State::Streaming { inner, stream } = mem::replace(&mut self.state, State::Whole(None))
        else {
            return;
        };
        if let Err(caught) = guard(|| drop(inner)) {
            pending_report::report_in_background(caught, Stage::BodyDrop, stream.record.clone());
        }
        stream.put_back();
    }
}

impl<B> ResponseBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError> + 'static,
{
    /// Begins to fail, or fails at once where there is nothing to report.
    fn fail(
        &mut self,
        failed: Result<B::Error, Caught>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let failed = failed.map(boxed);
        let State::Streaming { inner, mut stream } =
            mem::replace(&mut self.state, State::Whole(None))
        else {
            return Poll::Ready(None);
        };
        // Drop the inner body first: a panic in its drop is part of this failure and is not reported apart.
        discard(inner);
        let record = match &stream.record {
            Some(record) if !stream.hint_failed.get() => record,
            // Reported when the hint panicked, or there is no request to report it for.
            _ => {
                discard(failed);
                return Poll::Ready(Some(Err(BodyError {
                    id: None,
                    source: None,
                })));
            }
        };
        let classified = match failed {
            // An inner layer has reported the failure and waited for the pieces to be sent.
            Ok(error) if is_reported(&*error) => {
                return Poll::Ready(Some(Err(BodyError {
                    id: None,
                    source: Some(error),
                })));
            }
            Ok(error) => Classified::of_error(error, &record.config().statuses),
            Err(caught) => Cause::of_panic(caught).into(),
        };
        let flush_time = record.config().flush;
        let mut pending = PendingReport::new(classified, Stage::Body, record);
        if !stream.may_append {
            pending = pending.for_the_log_alone();
        }
        stream.failing = Some(Box::new(Failing {
            error: Some(BodyError {
                id: pending.id(),
                source: None,
            }),
            pending,
            append: stream.may_append,
            flush: mem::take(&mut stream.flush),
            flush_time,
        }));
        self.state = State::Streaming {
            inner: None,
            stream,
        };
        self.poll_failed(cx)
    }

    fn poll_failed(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.state {
            State::Streaming { stream, .. } => match &mut stream.failing {
                Some(failing) => failing.poll_frame(cx),
                None => Poll::Ready(None),
            },
            State::Whole(_) => Poll::Ready(None),
        }
    }

    // A body that is whole is asked inline; the functions for all others stay functions, so that it costs a comparison.

    fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (inner, stream) = match &mut self.state {
            State::Whole(_) => return Poll::Ready(None),
            State::Streaming {
                inner: Some(inner),
                stream,
            } => (inner, stream),
            State::Streaming { .. } => return self.poll_failed(cx),
        };
        match mem::replace(&mut stream.first, FirstFrame::Nothing) {
            FirstFrame::Nothing => {}
            FirstFrame::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            FirstFrame::Trailers(trailers) => {
                return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
            }
            FirstFrame::End => {
                self.end();
                return Poll::Ready(None);
            }
        }
        let here = Here::new();
        let guard = Guard::enter(&here);
        let failed = match guard.catch(|| Pin::new(inner).poll_frame(cx)) {
            Ok(Poll::Pending) if !stream.hint_failed.get() => {
                stream.flush.was_pending();
                return Poll::Pending;
            }
            Ok(Poll::Ready(Some(Ok(frame)))) if !stream.hint_failed.get() => {
                stream.flush.piece_given();
                return Poll::Ready(Some(Ok(frame)));
            }
            Ok(Poll::Ready(None)) => {
                self.end();
                return Poll::Ready(None);
            }
            Ok(Poll::Ready(Some(Err(error)))) => Ok(error),
            Err(payload) => Err(guard.caught(payload)),
            Ok(_) => return self.cut(),
        };
        self.fail(failed, cx)
    }

    fn is_stream_at_end(&self) -> bool {
        match &self.state {
            State::Whole(data) => data.is_none(),
            State::Streaming { stream, .. } if !matches!(stream.first, FirstFrame::Nothing) => {
                false
            }
            State::Streaming {
                inner: Some(inner),
                stream,
            } => guard(|| inner.is_end_stream()).unwrap_or_else(|caught| {
                hint_panicked(stream, caught);
                false
            }),
            State::Streaming { stream, .. } => match &stream.failing {
                Some(failing) => failing.error.is_none(),
                None => true,
            },
        }
    }

    fn stream_size_hint(&self) -> SizeHint {
        match &self.state {
            State::Streaming { stream, .. } if !matches!(stream.first, FirstFrame::Nothing) => {
                stream.whole
            }
            State::Streaming {
                inner: Some(inner),
                stream,
            } => guard(|| inner.size_hint()).unwrap_or_else(|caught| {
                hint_panicked(stream, caught);
                SizeHint::default()
            }),
            State::Whole(_) | State::Streaming { .. } => SizeHint::default(),
        }
    }

    /// Ends the body after its `size_hint` or `is_end_stream` panicked. The panic was reported then.
    fn cut(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.end();
        Poll::Ready(Some(Err(BodyError {
            id: None,
            source: None,
        })))
    }
}

fn hint_panicked(stream: &StreamState, caught: Caught) {
    if stream.hint_failed.replace(true) {
        discard(caught.payload);
    } else {
        pending_report::report_in_background(caught, Stage::BodyHint, stream.record.clone());
    }
}

fn boxed<E: Into<BoxError>>(error: E) -> BoxError {
    guard(|| error.into()).unwrap_or_else(|caught| {
        discard(caught.payload);
        "an error whose conversion into a boxed error panicked".into()
    })
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError> + 'static,
{
    type Data = Bytes;
    type Error = BodyError;

    #[inline(always)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let State::Whole(data) = &mut self.state else {
            return self.poll_stream(cx);
        };
        match data.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Poll::Ready(None),
        }
    }

    #[inline(always)]
    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Whole(data) => data.is_none(),
            State::Streaming { .. } => self.is_stream_at_end(),
        }
    }

    #[inline(always)]
    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Whole(Some(data)) => SizeHint::with_exact(data.len() as u64),
            State::Whole(None) => SizeHint::with_exact(0),
            State::Streaming { .. } => self.stream_size_hint(),
        }
    }
}

impl<B> Drop for ResponseBody<B> {
    #[inline(always)]
    fn drop(&mut self) {
        if !matches!(self.state, State::Whole(_)) {
            self.end();
        }
    }
}

/// It belongs to no request, so its failures are not reported.
impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::streaming(
            B::default(),
            StreamState::of(FirstFrame::Nothing, SizeHint::new()),
        )
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_failed = matches!(self.state, State::Streaming { inner: None, .. });
        f.debug_struct("ResponseBody")
            .field("has_failed", &has_failed)
            .finish_non_exhaustive()
    }
}
