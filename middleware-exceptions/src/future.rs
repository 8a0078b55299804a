//! One request, from the call to the head of its response.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{HeaderValue, Response, header};
use http_body::Body;
use panic_capture::{Caught, discard, guard};
use pin_project_lite::pin_project;

use crate::{
    ResponseBody,
    body::Watch,
    cause::Cause,
    finish::{self, Finishing},
    gate::Verdict,
    layer::Config,
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
    #[inline]
    pub(crate) fn running(inner: Option<F>, seen: Seen, config: Arc<Config>) -> Self {
        Self {
            inner,
            watch: Some(Watch::new(config, seen)),
            finishing: None,
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn failed(cause: Cause, stage: Stage, seen: &Seen, config: &Arc<Config>) -> Self {
        let finishing = Finishing::new(cause, stage, seen, Arc::clone(config));
        Self {
            inner: None,
            watch: None,
            finishing: Some(Box::new(finishing)),
        }
    }

    /// Dropped while it runs: the client is gone, or a timeout has struck.
    #[inline]
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

/// How a poll failed that did not panic.
enum Failed<E, B> {
    Handler(E),
    Body(B),
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError> + 'static,
    R: Body + Unpin,
    R::Data: From<Bytes>,
    R::Error: Into<BoxError> + 'static,
{
    type Output = Answer<R, R::Data>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Written in place by the closure: moving responses through nested results cost more than
        // everything else in here. And what a panic leaves behind is not dropped by unwinding, where
        // a second panic would end the process.
        let mut polled = Poll::Pending;
        if this.inner.is_some() {
            let stage = Cell::new(Stage::Future);
            let mut failed = None;
            let outcome = guard(|| {
                let Some(handler) = this.inner.as_mut().as_pin_mut() else {
                    return;
                };
                let response = match handler.poll(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Err(error)) => {
                        failed = Some(Failed::Handler(error));
                        return;
                    }
                    Poll::Ready(Ok(response)) => response,
                };
                stage.set(Stage::BodyStart);
                polled = Poll::Ready(Ok(response.map(ResponseBody::new)));
                if let Poll::Ready(Ok(response)) = &mut polled
                    && let Some(watch) = &mut *this.watch
                {
                    if !watch.seen.is_head()
                        && let Err(error) = response.body_mut().start(cx)
                    {
                        failed = Some(Failed::Body(error));
                        return;
                    }
                    if watch.config.append {
                        watch.append = may_append(response, &watch.seen);
                    }
                    response.body_mut().watch(this.watch.take());
                }
                stage.set(Stage::FutureDrop);
                this.inner.set(None);
            });
            if outcome.is_ok() && failed.is_none() {
                return polled;
            }
            if this
                .fail(stage.get(), outcome, failed, &mut polled)
                .is_break()
            {
                return polled;
            }
        }
        let Some(finishing) = this.finishing else {
            // Polled again after it was ready, which the contract of `Future` leaves open.
            return Poll::Pending;
        };
        ready!(finishing.poll_told(cx));
        let response = finishing.response();
        *this.finishing = None;
        Poll::Ready(Ok(response))
    }
}

impl<F> ResponseFutureProjection<'_, F> {
    /// Puts what failed in order. Breaks where there is a response to go on with all the same.
    #[cold]
    #[inline(never)]
    fn fail<R, E>(
        &mut self,
        stage: Stage,
        outcome: Result<(), Caught>,
        failed: Option<Failed<E, R::Error>>,
        polled: &mut Poll<Answer<R, <R as Body>::Data>>,
    ) -> ControlFlow<()>
    where
        E: Into<BoxError> + 'static,
        R: Body + Unpin,
        R::Error: Into<BoxError> + 'static,
    {
        if stage == Stage::FutureDrop {
            // The response is complete; only the handler's leavings failed. Its watch went with the
            // body, which may fail on its own account.
            if let (Err(caught), Poll::Ready(Ok(response))) = (outcome, polled)
                && let Some(watch) = response.body().watched()
            {
                finish::later(Cause::of_panic(caught), stage, watch);
            }
            return ControlFlow::Break(());
        }
        let Some(watch) = self.watch.take() else {
            return ControlFlow::Break(());
        };
        let cause = match (outcome, failed) {
            (Err(caught), _) => Cause::of_panic(caught),
            (_, Some(Failed::Handler(error))) => Cause::of_error(error, &watch.config),
            (_, Some(Failed::Body(error))) => Cause::of_error(error, &watch.config),
            (Ok(()), None) => return ControlFlow::Break(()),
        };
        discard(std::mem::replace(polled, Poll::Pending));
        // A second panic, of the drop, adds nothing to the first.
        if let Err(second) = guard(|| self.inner.set(None)) {
            discard(second.payload);
        }
        *self.finishing = Some(Box::new(Finishing::new(
            cause,
            stage,
            &watch.seen,
            watch.config,
        )));
        ControlFlow::Continue(())
    }
}

/// Whether text may be added to this body after it has failed: nothing may depend on its
/// length or its coding.
#[cold]
fn may_append<B>(response: &Response<B>, seen: &Seen) -> bool {
    let headers = response.headers();
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
