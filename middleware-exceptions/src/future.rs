//! One request, from the call to the head of its response.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use gateway_core::BoxError;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body;
use panic_capture::{Caught, discard, guard};
use pin_project_lite::pin_project;

use crate::{
    ResponseBody,
    body::Watch,
    cause::Cause,
    finish::{self, Finishing},
    gate::Verdict,
    report::Stage,
    summary::Seen,
};

pin_project! {
    #[project = ResponseFutureProjection]
    /// The future of [`Exceptions`](crate::Exceptions).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        watch: Option<Watch>,
        finishing: Option<Box<Finishing>>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            this.drop_inner();
        }
    }
}

impl<F> ResponseFuture<F> {
    #[inline(always)]
    pub(crate) fn running(inner: F, watch: Watch) -> Self {
        Self {
            inner: Some(inner),
            watch: Some(watch),
            finishing: None,
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn failed(cause: Cause, stage: Stage, Watch { config, seen }: Watch) -> Self {
        let finishing = Finishing::new(cause, stage, &seen, config);
        Self {
            inner: None,
            watch: None,
            finishing: Some(Box::new(finishing)),
        }
    }

    /// Dropped while it runs: the client is gone, or a timeout has struck.
    #[inline(always)]
    fn drop_inner(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.inner.is_none() {
            return;
        }
        if let Err(caught) = guard(|| this.inner.set(None))
            && let Some(watch) = this.watch.take()
        {
            finish::later(Cause::of_panic(caught), Stage::FutureDrop, &watch);
        }
    }
}

type Answer<B, D> = Result<Response<ResponseBody<B, D>>, Infallible>;

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError> + 'static,
    R: Body + Unpin,
    R::Data: From<Bytes>,
    R::Error: Into<BoxError> + 'static,
{
    type Output = Answer<R, R::Data>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(handler) = this.inner.as_mut().as_pin_mut() else {
            return this.poll_finishing(cx);
        };
        // By value through the guards: in place, by reference, cost twice the instructions.
        let (cause, stage) = match guard(|| handler.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => {
                let (parts, inner) = response.into_parts();
                let mut body = ResponseBody::new(inner);
                match this.release(&mut body, cx) {
                    Ok(()) => {
                        if let Some(watch) = this.watch.take() {
                            body.watch(watch, &parts);
                        }
                        return Poll::Ready(Ok(Response::from_parts(parts, body)));
                    }
                    Err(cause) => {
                        discard(body);
                        (cause, Stage::BodyStart)
                    }
                }
            }
            Ok(Poll::Ready(Err(error))) => (this.cause_of(error), Stage::Future),
            Err(caught) => (Some(Cause::of_panic(caught)), Stage::Future),
        };
        this.fail(cause, stage);
        this.poll_finishing(cx)
    }
}

impl<F> ResponseFutureProjection<'_, F> {
    #[cold]
    #[inline(never)]
    fn poll_finishing<B, D>(&mut self, cx: &Context<'_>) -> Poll<Answer<B, D>>
    where
        D: Buf + From<Bytes>,
    {
        let Some(finishing) = self.finishing else {
            // Polled again after it was ready, which the contract of `Future` leaves open.
            return Poll::Pending;
        };
        ready!(finishing.poll_told(cx));
        let response = finishing.response();
        *self.finishing = None;
        Poll::Ready(Ok(response))
    }

    #[cold]
    #[inline(never)]
    fn cause_of<E: Into<BoxError> + 'static>(&self, error: E) -> Option<Cause> {
        let watch = self.watch.as_ref()?;
        Some(Cause::of_error(error, &watch.config))
    }

    /// Before the head goes out: the body's first poll, and the end of the handler.
    #[inline(always)]
    fn release<R>(
        &mut self,
        body: &mut ResponseBody<R, R::Data>,
        cx: &mut Context<'_>,
    ) -> Result<(), Option<Cause>>
    where
        R: Body + Unpin,
        R::Error: Into<BoxError> + 'static,
    {
        if !self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.seen.is_head())
        {
            match guard(|| body.start(cx)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(self.cause_of(error)),
                Err(caught) => return Err(Some(Cause::of_panic(caught))),
            }
        }
        if let Err(caught) = guard(|| self.inner.set(None)) {
            self.drop_failed(caught);
        }
        Ok(())
    }

    /// The response is complete; only the handler's leavings failed.
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
    fn fail(&mut self, cause: Option<Cause>, stage: Stage) {
        // A second panic, of the drop, adds nothing to the first.
        if let Err(second) = guard(|| self.inner.set(None)) {
            discard(second.payload);
        }
        if let (Some(Watch { config, seen }), Some(cause)) = (self.watch.take(), cause) {
            *self.finishing = Some(Box::new(Finishing::new(cause, stage, &seen, config)));
        }
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
