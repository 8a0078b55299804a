//! One request, from the call to the head of its response.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, SizeHint};
use panic_capture::{Caught, Guard, Here, discard, guard};
use pin_project_lite::pin_project;

use crate::{
    ResponseBody,
    body::{Started, start},
    cause::Cause,
    finish::{self, Finishing},
    gate::Verdict,
    report::Stage,
    summary::Seen,
    watch::{First, Watch},
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
            // Both were taken when it was ready.
            if this.watch.is_some() || this.inner.is_some() {
                this.leave();
            }
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

    #[cold]
    #[inline(never)]
    pub(crate) fn panicked(caught: Caught, watch: Box<Watch>) -> Self {
        Self::failed(Cause::of_panic(caught), Stage::Call, watch)
    }

    /// Dropped while it runs: the client is gone, or a timeout has struck.
    #[cold]
    #[inline(never)]
    fn leave(self: Pin<&mut Self>) {
        let mut this = self.project();
        let left = guard(|| this.inner.set(None));
        let Some(watch) = this.watch.take() else {
            return;
        };
        if let Err(caught) = left {
            finish::later(Cause::of_panic(caught), Stage::FutureDrop, &watch);
        }
        watch.put_back();
    }
}

#[cold]
#[inline(never)]
fn body_drop_failed(caught: Caught, watch: &Watch) {
    finish::later(Cause::of_panic(caught), Stage::BodyDrop, watch);
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
        let here = Here::new();
        let guard = Guard::enter(&here);
        // Matched where it lies and taken apart at once: a response is large, and to move it costs more than
        // everything else in here.
        let response = match guard.catch(|| handler.poll(cx)) {
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Err(error))) => {
                return this.answer_failure(Failed::Handler(error), Stage::Future, cx);
            }
            Err(payload) => {
                let failed = Failed::<E, _>::Panic(guard.caught(payload));
                return this.answer_failure(failed, Stage::Future, cx);
            }
        };
        let (parts, mut body) = response.into_parts();
        let Some(watch) = this.watch.take() else {
            // Not without a watch, while there is a handler.
            discard(body);
            return Poll::Pending;
        };
        let is_head = watch.seen.is_head();
        let started = guard.catch(|| {
            if is_head {
                Started::Nothing
            } else {
                start(&mut body, cx)
            }
        });
        let left = guard.catch(|| this.inner.set(None));
        if let (Ok(Started::Whole(_)), Ok(())) = (&started, &left)
            && let Ok(Started::Whole(data)) = started
        {
            // Nobody asks the inner body for anything again.
            if let Err(payload) = guard.catch(|| drop(body)) {
                body_drop_failed(guard.caught(payload), &watch);
            }
            watch.put_back_unused();
            drop(guard);
            let body = ResponseBody::whole(Some(data));
            return Poll::Ready(Ok(Response::from_parts(parts, body)));
        }
        let started = started.unwrap_or_else(|payload| Started::Panicked(guard.caught(payload)));
        let left = left.err().map(|payload| guard.caught(payload));
        drop(guard);
        // A function of its own: it takes the address of what the lines above only move.
        this.go_on(Response::from_parts(parts, body), watch, started, left, cx)
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

    /// With a response that is not whole yet, or whose first poll failed.
    #[inline(never)]
    fn go_on<B>(
        &mut self,
        response: Response<B>,
        mut watch: Box<Watch>,
        started: Started<B::Error>,
        left: Option<Caught>,
        cx: &Context<'_>,
    ) -> Poll<Answer<B>>
    where
        B: Body,
        B::Error: Into<BoxError> + 'static,
    {
        let failed = match started {
            Started::Nothing => None,
            Started::Whole(data) => {
                watch.whole = SizeHint::with_exact(data.len() as u64);
                watch.first = First::Data(data);
                None
            }
            Started::First(first, whole) => {
                watch.first = first;
                watch.whole = whole;
                None
            }
            Started::Failed(error) => Some(Failed::<Infallible, _>::Body(error)),
            Started::Panicked(caught) => Some(Failed::Panic(caught)),
        };
        let (parts, body) = response.into_parts();
        if let Some(failed) = failed {
            // What their drops have to say adds nothing to the first failure.
            discard(body);
            discard(left);
            *self.watch = Some(watch);
            return self.answer_failure(failed, Stage::BodyStart, cx);
        }
        if let Some(caught) = left {
            // The response is complete, whatever the handler's leavings did.
            finish::later(Cause::of_panic(caught), Stage::FutureDrop, &watch);
        }
        watch.look_at(&parts);
        let body = ResponseBody::watched(body, watch);
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }

    #[cold]
    #[inline(never)]
    fn answer_failure<E, B>(
        &mut self,
        failed: Failed<E, B::Error>,
        stage: Stage,
        cx: &Context<'_>,
    ) -> Poll<Answer<B>>
    where
        E: Into<BoxError> + 'static,
        B: Body,
        B::Error: Into<BoxError> + 'static,
    {
        self.fail(failed, stage);
        self.poll_finishing(cx)
    }

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
