//! One request, from the call to the head of its response.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body;
use panic_capture::{Caught, discard, guard, guard_or};
use pin_project_lite::pin_project;

use crate::{
    ResponseBody,
    cause::Cause,
    finish::{self, Finishing},
    gate::Verdict,
    report::Stage,
    summary::Seen,
    watch::Watch,
};

pin_project! {
    #[project = ResponseFutureProjection]
    /// The future of [`Exceptions`](crate::Exceptions).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        watch: Option<Box<Watch>>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            this.leave();
        }
    }
}

impl<F> ResponseFuture<F> {
    #[inline(always)]
    pub(crate) fn running(inner: F, watch: Option<Box<Watch>>) -> Self {
        Self {
            inner: Some(inner),
            watch,
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn failed(cause: Cause, stage: Stage, mut watch: Option<Box<Watch>>) -> Self {
        if let Some(watch) = &mut watch {
            watch.finishing = finishing(cause, stage, watch);
        }
        Self { inner: None, watch }
    }

    /// Dropped while it runs: the client is gone, or a timeout has struck.
    #[inline(always)]
    fn leave(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.inner.is_some()
            && let Err(caught) = guard(|| this.inner.set(None))
        {
            this.drop_failed(caught);
        }
        if let Some(watch) = this.watch.take() {
            watch.put_back();
        }
    }
}

#[cold]
fn finishing(cause: Cause, stage: Stage, watch: &Watch) -> Option<Box<Finishing>> {
    let config = Arc::clone(watch.config()?);
    Some(Box::new(Finishing::new(cause, stage, &watch.seen, config)))
}

type Answer<B> = Result<Response<ResponseBody<B>>, Infallible>;

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError> + 'static,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError> + 'static,
{
    type Output = Answer<R>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(handler) = this.inner.as_mut().as_pin_mut() else {
            return this.poll_finishing(cx);
        };
        let watch = &mut *this.watch;
        let stage = Cell::new(Stage::Future);
        let (mut failed, mut panicked) = (None, None);
        // The whole way of a response below one guard, and out of it by value: it is large, and
        // to move it costs more than everything else in here.
        let polled = guard_or(
            || {
                let response = match handler.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(response)) => response,
                    Poll::Ready(Err(error)) => {
                        failed = Some(Failed::Handler(error));
                        return Poll::Pending;
                    }
                };
                stage.set(Stage::BodyStart);
                let (parts, inner) = response.into_parts();
                // From here on its drop is guarded, also from a panic of its own poll.
                let mut body = ResponseBody::new(inner);
                if let Some(watch) = watch {
                    if !watch.seen.is_head()
                        && let Err(error) = body.start(watch, cx)
                    {
                        failed = Some(Failed::Body(error));
                        return Poll::Pending;
                    }
                    watch.look_at(&parts);
                }
                body.watch(watch.take());
                Poll::Ready(Ok(Response::from_parts(parts, body)))
            },
            |caught| {
                panicked = Some(Failed::Panic(caught));
                Poll::Pending
            },
        );
        if let Some(failed) = failed.or(panicked) {
            this.fail(failed, stage.get());
            return this.poll_finishing(cx);
        }
        if let Poll::Ready(Ok(response)) = &polled {
            // Complete, whatever the handler's leavings do.
            guard_or(
                || this.inner.set(None),
                |caught| {
                    let body = response.body();
                    body.report(Cause::of_panic(caught), Stage::FutureDrop);
                },
            );
        }
        polled
    }
}

/// How it failed before the head went out.
enum Failed<E, B> {
    Handler(E),
    Body(B),
    Panic(Caught),
}

impl<F> ResponseFutureProjection<'_, F> {
    #[cold]
    #[inline(never)]
    fn poll_finishing<B>(&mut self, cx: &Context<'_>) -> Poll<Answer<B>> {
        let Some(finishing) = self
            .watch
            .as_mut()
            .and_then(|watch| watch.finishing.as_mut())
        else {
            // Polled again after it was ready, which the contract of `Future` leaves open.
            return Poll::Pending;
        };
        ready!(finishing.poll_told(cx));
        let response = finishing.response();
        *self.watch = None;
        Poll::Ready(Ok(response))
    }

    #[cold]
    #[inline(never)]
    fn drop_failed(&self, caught: Caught) {
        match &self.watch {
            Some(watch) => finish::later(Cause::of_panic(caught), Stage::FutureDrop, watch),
            None => discard(caught.payload),
        }
    }

    #[cold]
    #[inline(never)]
    fn fail<E, B>(&mut self, failed: Failed<E, B>, stage: Stage)
    where
        E: Into<BoxError> + 'static,
        B: Into<BoxError> + 'static,
    {
        // A second panic, of the drop, adds nothing to the first.
        if let Err(second) = guard(|| self.inner.set(None)) {
            discard(second.payload);
        }
        let Some(watch) = self.watch else { return };
        let Some(config) = watch.config() else { return };
        let cause = match failed {
            Failed::Handler(error) => Cause::of_error(error, config),
            Failed::Body(error) => Cause::of_error(error, config),
            Failed::Panic(caught) => Cause::of_panic(caught),
        };
        watch.finishing = finishing(cause, stage, watch);
    }
}

/// Whether text may be added to this body after it has failed: nothing may depend on its
/// length or its coding.
#[cold]
pub(crate) fn may_append(headers: &HeaderMap, seen: &Seen) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_text = content_type
        .and_then(|value| value.get(..5))
        .is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    is_text
        && seen.verdict() == Verdict::Shown
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !seen.is_head()
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
