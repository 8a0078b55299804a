//! The response body: watched while it streams, and ended visibly when it fails.

mod failing;
pub(crate) mod watched;

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
        watched::{First, Watch},
    },
    failure::{
        body_error::{BodyError, is_reported},
        cause::{Cause, Outcome},
        facts::Stage,
    },
    pending::finish::{self, Finishing},
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
    Watched {
        /// `None` when it has failed, and was dropped.
        inner: Option<B>,
        watch: Box<Watch>,
    },
}

impl<B> ResponseBody<B> {
    #[inline(always)]
    pub(crate) fn watched(inner: B, watch: Box<Watch>) -> Self {
        Self {
            state: State::Watched {
                inner: Some(inner),
                watch,
            },
        }
    }

    #[inline(always)]
    pub(crate) fn whole(data: Option<Bytes>) -> Self {
        Self {
            state: State::Whole(data),
        }
    }

    /// Drops the inner body, once, whatever its `Drop` does, and has nothing more to say.
    fn end(&mut self) {
        let State::Watched { inner, watch } = mem::replace(&mut self.state, State::Whole(None))
        else {
            return;
        };
        if let Err(caught) = guard(|| drop(inner)) {
            finish::later(caught, Stage::BodyDrop, watch.witness.clone());
        }
        watch.put_back();
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
        let State::Watched { inner, mut watch } = mem::replace(&mut self.state, State::Whole(None))
        else {
            return Poll::Ready(None);
        };
        // The inner body first: its drop belongs to this failure, and adds nothing to it.
        discard(inner);
        let witness = match &watch.witness {
            Some(witness) if !watch.hint_failed.get() => witness,
            // Reported when the hint panicked, or there is no request to report it for.
            _ => {
                discard(failed);
                return Poll::Ready(Some(Err(BodyError {
                    id: None,
                    source: None,
                })));
            }
        };
        let outcome = match failed {
            // A layer further in has said all, and waited long enough.
            Ok(error) if is_reported(&*error) => {
                return Poll::Ready(Some(Err(BodyError {
                    id: None,
                    source: Some(error),
                })));
            }
            Ok(error) => Outcome::of_error(error, &witness.config().statuses),
            Err(caught) => Cause::of_panic(caught).into(),
        };
        let flush_time = witness.config().flush;
        let mut finishing = Finishing::new(outcome, Stage::Body, witness);
        if !watch.may_append {
            finishing = finishing.for_the_log_alone();
        }
        watch.failing = Some(Box::new(Failing {
            error: Some(BodyError {
                id: finishing.id(),
                source: None,
            }),
            finishing,
            append: watch.may_append,
            flush: mem::take(&mut watch.flush),
            flush_time,
        }));
        self.state = State::Watched { inner: None, watch };
        self.poll_failed(cx)
    }

    fn poll_failed(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.state {
            State::Watched { watch, .. } => match &mut watch.failing {
                Some(failing) => failing.poll_frame(cx),
                None => Poll::Ready(None),
            },
            State::Whole(_) => Poll::Ready(None),
        }
    }

    // A body that is whole is asked inline; the functions for all others stay functions, so that it costs a comparison.

    fn poll_watched(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (inner, watch) = match &mut self.state {
            State::Whole(_) => return Poll::Ready(None),
            State::Watched {
                inner: Some(inner),
                watch,
            } => (inner, watch),
            State::Watched { .. } => return self.poll_failed(cx),
        };
        match mem::replace(&mut watch.first, First::Nothing) {
            First::Nothing => {}
            First::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            First::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(*trailers)))),
            First::End => {
                self.end();
                return Poll::Ready(None);
            }
        }
        let here = Here::new();
        let guard = Guard::enter(&here);
        let failed = match guard.catch(|| Pin::new(inner).poll_frame(cx)) {
            Ok(Poll::Pending) if !watch.hint_failed.get() => {
                watch.flush.was_pending();
                return Poll::Pending;
            }
            Ok(Poll::Ready(Some(Ok(frame)))) if !watch.hint_failed.get() => {
                watch.flush.piece_given();
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

    fn is_watched_at_end(&self) -> bool {
        match &self.state {
            State::Whole(data) => data.is_none(),
            State::Watched { watch, .. } if !matches!(watch.first, First::Nothing) => false,
            State::Watched {
                inner: Some(inner),
                watch,
            } => guard(|| inner.is_end_stream()).unwrap_or_else(|caught| {
                hint_panicked(watch, caught);
                false
            }),
            State::Watched { watch, .. } => match &watch.failing {
                Some(failing) => failing.error.is_none(),
                None => true,
            },
        }
    }

    fn watched_size(&self) -> SizeHint {
        match &self.state {
            State::Watched { watch, .. } if !matches!(watch.first, First::Nothing) => watch.whole,
            State::Watched {
                inner: Some(inner),
                watch,
            } => guard(|| inner.size_hint()).unwrap_or_else(|caught| {
                hint_panicked(watch, caught);
                SizeHint::default()
            }),
            State::Whole(_) | State::Watched { .. } => SizeHint::default(),
        }
    }

    /// What is broken goes on no further. It was reported when the hint panicked.
    fn cut(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.end();
        Poll::Ready(Some(Err(BodyError {
            id: None,
            source: None,
        })))
    }
}

fn hint_panicked(watch: &Watch, caught: Caught) {
    if watch.hint_failed.replace(true) {
        discard(caught.payload);
    } else {
        finish::later(caught, Stage::BodyHint, watch.witness.clone());
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
            return self.poll_watched(cx);
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
            State::Watched { .. } => self.is_watched_at_end(),
        }
    }

    #[inline(always)]
    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Whole(Some(data)) => SizeHint::with_exact(data.len() as u64),
            State::Whole(None) => SizeHint::with_exact(0),
            State::Watched { .. } => self.watched_size(),
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
        Self::watched(B::default(), Watch::of(First::Nothing, SizeHint::new()))
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_failed = matches!(self.state, State::Watched { inner: None, .. });
        f.debug_struct("ResponseBody")
            .field("has_failed", &has_failed)
            .finish_non_exhaustive()
    }
}
