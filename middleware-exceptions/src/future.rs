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
use panic_capture::{Caught, discard, guard};
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
    pub(crate) fn running(inner: F, watch: Box<Watch>) -> Self {
        Self {
            inner: Some(inner),
            watch: Some(watch),
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn failed(cause: Cause, stage: Stage, mut watch: Box<Watch>) -> Self {
        watch.finishing = finishing(cause, stage, &watch);
        Self {
            inner: None,
            watch: Some(watch),
        }
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
        // By value through the guard: in place, by reference, cost twice the instructions.
        let failed = match guard(|| handler.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => {
                let (parts, inner) = response.into_parts();
                let mut body = ResponseBody::new(inner, this.watch.take());
                // Below one guard: the body's first poll, and the end of the handler.
                let stage = Cell::new(Stage::BodyStart);
                let outcome = guard(|| {
                    if !body.is_for_head() {
                        body.start(cx)?;
                    }
                    stage.set(Stage::FutureDrop);
                    this.inner.set(None);
                    Ok::<(), R::Error>(())
                });
                match outcome {
                    Ok(Ok(())) => {
                        body.look_at(&parts);
                        return Poll::Ready(Ok(Response::from_parts(parts, body)));
                    }
                    // The response is complete; only the handler's leavings failed.
                    Err(caught) if stage.get() == Stage::FutureDrop => {
                        body.report(Cause::of_panic(caught), Stage::FutureDrop);
                        return Poll::Ready(Ok(Response::from_parts(parts, body)));
                    }
                    Ok(Err(error)) => {
                        *this.watch = body.into_watch();
                        Failed::Body(Ok(error))
                    }
                    Err(caught) => {
                        *this.watch = body.into_watch();
                        Failed::Body(Err(caught))
                    }
                }
            }
            Ok(Poll::Ready(Err(error))) => Failed::Handler(Ok(error)),
            Err(caught) => Failed::Handler(Err(caught)),
        };
        this.fail(failed);
        this.poll_finishing(cx)
    }
}

/// How it failed before the head went out.
enum Failed<E, B> {
    Handler(Result<E, Caught>),
    Body(Result<B, Caught>),
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
    fn fail<E, B>(&mut self, failed: Failed<E, B>)
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
        let (cause, stage) = match failed {
            Failed::Handler(Ok(error)) => (Cause::of_error(error, config), Stage::Future),
            Failed::Handler(Err(caught)) => (Cause::of_panic(caught), Stage::Future),
            Failed::Body(Ok(error)) => (Cause::of_error(error, config), Stage::BodyStart),
            Failed::Body(Err(caught)) => (Cause::of_panic(caught), Stage::BodyStart),
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
