//! The response body: watched while it streams, and ended visibly when it fails.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http_body::{Body, Frame, SizeHint};
use panic_capture::{Caught, discard, guard};

use crate::{
    cause::{Cause, is_reported},
    finish::{self, Finishing},
    id::ErrorId,
    report::Stage,
    watch::{First, Watch},
    worker::{self, Signal},
};

/// The body of [`Exceptions`](crate::Exceptions): the inner one, or the text of a failure.
///
/// Frames, trailers, `size_hint` and `is_end_stream` are those of the inner body. A body
/// that fails after the head was sent ends in a [`BodyError`], so that the client sees
/// that it was cut.
///
/// `Send` where the inner body is; not `Sync`.
pub struct ResponseBody<B> {
    inner: Option<B>,
    /// None of a body that was made by `default()`.
    watch: Option<Box<Watch>>,
}

/// A body that has failed, on its way to its end.
pub(crate) struct Failing {
    finishing: Finishing,
    error: Option<BodyError>,
    append: bool,
    polls: u8,
    flushed: Arc<Signal>,
}

impl<B> ResponseBody<B> {
    #[inline(always)]
    pub(crate) fn new(inner: B) -> Self {
        Self {
            inner: Some(inner),
            watch: None,
        }
    }

    #[inline(always)]
    pub(crate) fn watch(&mut self, watch: Option<Box<Watch>>) {
        // Nothing is there to be dropped yet.
        std::mem::forget(std::mem::replace(&mut self.watch, watch));
    }

    pub(crate) fn text(text: Option<Bytes>) -> Self {
        Self {
            inner: None,
            watch: Some(Watch::of_text(text)),
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn report(&self, cause: Cause, stage: Stage) {
        if let Some(watch) = &self.watch {
            finish::later(cause, stage, watch);
        }
    }

    /// Drops the inner body, once, whatever its `Drop` does.
    #[inline(always)]
    fn drop_inner(&mut self) {
        if self.inner.is_some()
            && let Err(caught) = guard(|| self.inner = None)
        {
            self.drop_failed(caught);
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_failed(&self, caught: Caught) {
        match &self.watch {
            // After a failure, that of the drop adds nothing.
            Some(watch) if watch.failing.is_none() => {
                finish::later(Cause::of_panic(caught), Stage::BodyDrop, watch);
            }
            _ => discard(caught.payload),
        }
    }

    #[cold]
    #[inline(never)]
    fn hint_panicked(&self, caught: Caught) {
        match &self.watch {
            Some(watch) if !watch.hint_failed.replace(true) => {
                finish::later(Cause::of_panic(caught), Stage::BodyHint, watch);
            }
            _ => discard(caught.payload),
        }
    }
}

impl<B> ResponseBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError> + 'static,
{
    /// Polls once, before the head is released: what fails now can still be a clean response.
    ///
    /// Does not wait. Called below the guard of the future.
    #[inline(always)]
    pub(crate) fn start(
        &mut self,
        watch: &mut Watch,
        cx: &mut Context<'_>,
    ) -> Result<(), B::Error> {
        let Some(inner) = &mut self.inner else {
            return Ok(());
        };
        if inner.is_end_stream() {
            return Ok(());
        }
        watch.whole = inner.size_hint();
        watch.first = match Pin::new(inner).poll_frame(cx) {
            Poll::Pending => First::Nothing,
            Poll::Ready(None) => First::End,
            Poll::Ready(Some(Ok(frame))) => First::of(frame),
            Poll::Ready(Some(Err(error))) => return Err(error),
        };
        Ok(())
    }

    /// The slow half of `poll_frame`: everything that is not a frame of the inner body.
    #[cold]
    #[inline(never)]
    fn poll_failed(
        &mut self,
        cx: &Context<'_>,
        failed: Option<Result<B::Error, Caught>>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(failed) = failed
            && let Err(error) = self.fail(failed)
        {
            return Poll::Ready(Some(Err(error)));
        }
        match self.watch.as_mut().and_then(|watch| watch.failing.as_mut()) {
            Some(failing) => failing.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    /// Begins to fail, or fails at once where there is nothing to report.
    fn fail(&mut self, failed: Result<B::Error, Caught>) -> Result<(), BodyError> {
        let failed = failed.map(boxed);
        // The inner body first: its drop belongs to this failure.
        discard(self.inner.take());
        // Reported when the hint panicked, or nobody to report to.
        let watch = self.watch.as_mut().filter(|watch| !watch.hint_failed.get());
        let Some((watch, config)) = watch.and_then(|watch| {
            let config = watch.config().cloned()?;
            Some((watch, config))
        }) else {
            discard(failed);
            return Err(BodyError {
                id: None,
                source: None,
            });
        };
        let cause = match failed {
            // A layer further in has said all, and waited long enough.
            Ok(error) if is_reported(&*error) => {
                return Err(BodyError {
                    id: None,
                    source: Some(error),
                });
            }
            Ok(error) => Cause::of_error(error, &config),
            Err(caught) => Cause::of_panic(caught),
        };
        let flush = config.flush;
        let finishing = Finishing::new(cause, Stage::Body, &watch.seen, config);
        watch.failing = Some(Box::new(Failing {
            error: Some(BodyError {
                id: Some(finishing.id()),
                source: None,
            }),
            finishing,
            append: watch.may_append,
            polls: 0,
            flushed: worker::after(flush),
        }));
        Ok(())
    }
}

fn boxed<E: Into<BoxError>>(error: E) -> BoxError {
    guard(|| error.into()).unwrap_or_else(|caught| {
        discard(caught.payload);
        "an error whose conversion into a boxed error panicked".into()
    })
}

impl Failing {
    /// Pending until what was produced before has had its best chance to be sent.
    ///
    /// A server flushes when a body is pending, and drops what it holds when a body fails: hyper
    /// even drops the head. Nobody tells a body what was flushed, so: two wakes of our own and a short time.
    fn poll_frame(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.error.is_none() {
            return Poll::Ready(None);
        }
        ready!(self.finishing.poll_told(cx));
        if std::mem::take(&mut self.append) {
            let text = format!("\n\n{}", self.finishing.text());
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
        let this = &mut *self;
        if let Some(watch) = &mut this.watch
            && !matches!(watch.first, First::Nothing)
        {
            match std::mem::replace(&mut watch.first, First::Nothing) {
                First::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                First::Trailers(trailers) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
                }
                First::End | First::Nothing => {
                    this.drop_inner();
                    return Poll::Ready(None);
                }
            }
        }
        let Some(inner) = &mut this.inner else {
            return this.poll_failed(cx, None);
        };
        let failed = match guard(|| Pin::new(inner).poll_frame(cx)) {
            Ok(Poll::Pending) if !this.has_hint_failed() => return Poll::Pending,
            Ok(Poll::Ready(Some(Ok(frame)))) if !this.has_hint_failed() => {
                return Poll::Ready(Some(Ok(frame)));
            }
            Ok(Poll::Ready(None)) => {
                this.drop_inner();
                return Poll::Ready(None);
            }
            Ok(Poll::Ready(Some(Err(error)))) => Ok(error),
            Err(caught) => Err(caught),
            Ok(_) => return this.cut(),
        };
        this.poll_failed(cx, Some(failed))
    }

    #[inline(always)]
    fn is_end_stream(&self) -> bool {
        if let Some(watch) = &self.watch {
            if !matches!(watch.first, First::Nothing) {
                return false;
            }
            if let Some(failing) = &watch.failing {
                return failing.error.is_none();
            }
        }
        let Some(inner) = &self.inner else {
            return true;
        };
        guard(|| inner.is_end_stream()).unwrap_or_else(|caught| {
            self.hint_panicked(caught);
            false
        })
    }

    #[inline(always)]
    fn size_hint(&self) -> SizeHint {
        if let Some(watch) = &self.watch {
            if !matches!(watch.first, First::Nothing) {
                return watch.whole;
            }
            if watch.failing.is_some() {
                return SizeHint::default();
            }
        }
        let Some(inner) = &self.inner else {
            return SizeHint::with_exact(0);
        };
        guard(|| inner.size_hint()).unwrap_or_else(|caught| {
            self.hint_panicked(caught);
            SizeHint::default()
        })
    }
}

impl<B> ResponseBody<B> {
    #[inline(always)]
    fn has_hint_failed(&self) -> bool {
        self.watch
            .as_ref()
            .is_some_and(|watch| watch.hint_failed.get())
    }

    /// What is broken goes on no further. It was reported when the hint panicked.
    #[cold]
    fn cut(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.drop_inner();
        Poll::Ready(Some(Err(BodyError {
            id: None,
            source: None,
        })))
    }
}

impl<B> Drop for ResponseBody<B> {
    #[inline(always)]
    fn drop(&mut self) {
        self.drop_inner();
        if let Some(watch) = self.watch.take() {
            watch.put_back();
        }
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_failed = self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.failing.is_some());
        f.debug_struct("ResponseBody")
            .field("has_failed", &has_failed)
            .finish_non_exhaustive()
    }
}

/// The response body failed after its head was sent. It has been reported.
#[derive(Debug)]
pub struct BodyError {
    id: Option<ErrorId>,
    source: Option<BoxError>,
}

impl BodyError {
    /// The id in the log. `None` where a layer further in reported it: then it is that one's, see
    /// [`source`](Error::source).
    #[must_use]
    pub fn id(&self) -> Option<ErrorId> {
        self.id
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "the response body failed (error id {id})"),
            None => f.write_str("the response body failed"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn Error + 'static))
    }
}
