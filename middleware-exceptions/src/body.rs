//! The response body: watched while it streams, and ended visibly when it fails.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use gateway_core::BoxError;
use http::{HeaderMap, Request, response::Parts};
use http_body::{Body, Frame, SizeHint};
use panic_capture::{Caught, discard, guard};

use crate::{
    cause::{Cause, is_reported},
    finish::{self, Finishing},
    future::may_append,
    id::ErrorId,
    layer::Config,
    report::Stage,
    summary::Seen,
    worker::{self, Signal},
};

/// The body of [`Exceptions`](crate::Exceptions): the inner one, or the text of a failure.
///
/// Frames, trailers, `size_hint` and `is_end_stream` are those of the inner body. A body
/// that fails after the head was sent ends in a [`BodyError`], so that the client sees
/// that it was cut.
///
/// `Send` where the inner body is; not `Sync`.
pub struct ResponseBody<B, D = Bytes> {
    inner: Option<B>,
    /// What the first poll gave, before the head went out.
    first: First<D>,
    /// The size before that poll, and so what it still is while `first` waits. Asked again, an inner body
    /// may know more than before (a chunked response would turn into one with a
    /// length), or have forgotten to subtract.
    whole: SizeHint,
    watch: Option<Watch>,
    /// Whether it is text that a traceback may be appended to.
    may_append: bool,
    /// A panic in `size_hint` or `is_end_stream`, which return no errors: the next poll does.
    hint_failed: Cell<bool>,
    failing: Option<Box<Failing>>,
}

enum First<D> {
    Nothing,
    Data(D),
    /// Boxed: rare, and six times the size of `Bytes`.
    Trailers(Box<HeaderMap>),
    End,
}

/// Who to report to, and about which request.
pub(crate) struct Watch {
    pub(crate) config: Arc<Config>,
    pub(crate) seen: Seen,
}

impl Watch {
    #[inline(always)]
    pub(crate) fn of<B>(request: &Request<B>, config: &Arc<Config>) -> Self {
        Self {
            config: Arc::clone(config),
            seen: Seen::of(request, config),
        }
    }
}

/// A body that has failed, on its way to its end.
struct Failing {
    finishing: Finishing,
    error: Option<BodyError>,
    append: bool,
    polls: u8,
    flushed: Arc<Signal>,
}

impl<B, D> ResponseBody<B, D> {
    #[inline(always)]
    pub(crate) fn new(inner: B) -> Self {
        Self::of(Some(inner), First::Nothing)
    }

    pub(crate) fn whole(data: D) -> Self
    where
        D: Buf,
    {
        let mut body = Self::of(None, First::Nothing);
        body.whole = SizeHint::with_exact(data.remaining() as u64);
        body.first = First::Data(data);
        body
    }

    pub(crate) fn empty() -> Self {
        Self::of(None, First::Nothing)
    }

    #[inline(always)]
    fn of(inner: Option<B>, first: First<D>) -> Self {
        Self {
            inner,
            first,
            whole: SizeHint::new(),
            watch: None,
            may_append: false,
            hint_failed: Cell::new(false),
            failing: None,
        }
    }

    #[inline(always)]
    pub(crate) fn watch(&mut self, watch: Watch, parts: &Parts) {
        if watch.config.append {
            self.may_append = may_append(&parts.headers, &watch.seen);
        }
        self.watch = Some(watch);
    }

    /// Drops the inner body, once, whatever its `Drop` does.
    #[inline(always)]
    fn drop_inner(&mut self) {
        if self.inner.is_none() {
            return;
        }
        if let Err(caught) = guard(|| self.inner = None) {
            self.drop_failed(caught);
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_failed(&self, caught: Caught) {
        // After a failure, that of the drop adds nothing.
        match &self.watch {
            Some(watch) if self.failing.is_none() => {
                finish::later(Cause::of_panic(caught), Stage::BodyDrop, watch);
            }
            _ => discard(caught.payload),
        }
    }

    #[cold]
    #[inline(never)]
    fn hint_panicked(&self, caught: Caught) {
        match &self.watch {
            Some(watch) if !self.hint_failed.replace(true) => {
                finish::later(Cause::of_panic(caught), Stage::BodyHint, watch);
            }
            _ => discard(caught.payload),
        }
    }
}

impl<B> ResponseBody<B, B::Data>
where
    B: Body + Unpin,
    B::Error: Into<BoxError> + 'static,
{
    /// Polls once, before the head is released: what fails now can still be a clean response.
    ///
    /// Does not wait. Called below the guard of the future.
    #[inline(always)]
    pub(crate) fn start(&mut self, cx: &mut Context<'_>) -> Result<(), B::Error> {
        let Some(inner) = &mut self.inner else {
            return Ok(());
        };
        if inner.is_end_stream() {
            return Ok(());
        }
        self.whole = inner.size_hint();
        self.first = match Pin::new(inner).poll_frame(cx) {
            Poll::Pending => First::Nothing,
            Poll::Ready(None) => First::End,
            Poll::Ready(Some(Ok(frame))) => First::of(frame),
            Poll::Ready(Some(Err(error))) => return Err(error),
        };
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, outcome: Result<B::Error, Caught>) -> Result<(), BodyError> {
        let watch = self.watch.take();
        let error = match outcome {
            Err(caught) => Err(caught),
            Ok(error) => Ok(boxed(error)),
        };
        // The inner body first: its drop belongs to this failure.
        if let Some(inner) = self.inner.take() {
            discard(inner);
        }
        let (cause, source) = match (error, &watch) {
            // A layer further in has said all, and waited long enough.
            (Ok(error), _) if is_reported(&*error) => {
                return Err(BodyError {
                    id: None,
                    source: Some(error),
                });
            }
            (Ok(error), Some(watch)) => (Cause::of_error(error, &watch.config), None::<BoxError>),
            (Err(caught), Some(_)) => (Cause::of_panic(caught), None),
            (Ok(error), None) => {
                return Err(BodyError {
                    id: None,
                    source: Some(error),
                });
            }
            (Err(caught), None) => {
                discard(caught.payload);
                return Err(BodyError {
                    id: None,
                    source: None,
                });
            }
        };
        let Some(watch) = watch else {
            return Err(BodyError { id: None, source });
        };
        let flush = watch.config.flush;
        let finishing = Finishing::new(cause, Stage::Body, &watch.seen, watch.config);
        self.failing = Some(Box::new(Failing {
            error: Some(BodyError {
                id: Some(finishing.id()),
                source,
            }),
            finishing,
            append: self.may_append,
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
    fn poll_frame<D: From<Bytes>>(
        &mut self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<D>, BodyError>>> {
        if self.error.is_none() {
            return Poll::Ready(None);
        }
        ready!(self.finishing.poll_told(cx));
        if std::mem::take(&mut self.append) {
            let text = format!("\n\n{}", self.finishing.text());
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text).into()))));
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

impl<D> First<D> {
    #[inline(always)]
    fn of(frame: Frame<D>) -> Self {
        match frame.into_data() {
            Ok(data) => Self::Data(data),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Self::Trailers(Box::new(trailers)),
                // There is no third kind.
                Err(_) => Self::Nothing,
            },
        }
    }
}

impl<B> Body for ResponseBody<B, B::Data>
where
    B: Body + Unpin,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError> + 'static,
{
    type Data = B::Data;
    type Error = BodyError;

    #[inline(always)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BodyError>>> {
        let this = &mut *self;
        match std::mem::replace(&mut this.first, First::Nothing) {
            First::Nothing => {}
            First::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            First::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(*trailers)))),
            First::End => {
                this.drop_inner();
                return Poll::Ready(None);
            }
        }
        if let Some(inner) = &mut this.inner {
            let failed = match guard(|| Pin::new(inner).poll_frame(cx)) {
                Ok(Poll::Pending) if !this.hint_failed.get() => return Poll::Pending,
                Ok(Poll::Ready(Some(Ok(frame)))) if !this.hint_failed.get() => {
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(Poll::Ready(None)) => {
                    this.drop_inner();
                    return Poll::Ready(None);
                }
                Ok(Poll::Ready(Some(Err(error)))) => Ok(error),
                Err(caught) => Err(caught),
                // Reported when the hint panicked.
                Ok(_) => {
                    this.drop_inner();
                    return Poll::Ready(Some(Err(BodyError {
                        id: None,
                        source: None,
                    })));
                }
            };
            if let Err(error) = this.fail(failed) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        match &mut this.failing {
            Some(failing) => failing.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    #[inline(always)]
    fn is_end_stream(&self) -> bool {
        if !matches!(self.first, First::Nothing) || self.failing.is_some() {
            return self
                .failing
                .as_ref()
                .is_some_and(|failing| failing.error.is_none());
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
        if self.failing.is_some() {
            return SizeHint::default();
        }
        if !matches!(self.first, First::Nothing) {
            return self.whole;
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

/// What the first poll gave is moved, never pinned.
impl<B: Unpin, D> Unpin for ResponseBody<B, D> {}

impl<B, D> Drop for ResponseBody<B, D> {
    #[inline(always)]
    fn drop(&mut self) {
        self.drop_inner();
    }
}

impl<B: Default, D> Default for ResponseBody<B, D> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B, D> fmt::Debug for ResponseBody<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("has_failed", &self.failing.is_some())
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
