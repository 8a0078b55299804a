//! The service: decides who failed, and leaves the rest to the future.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{Request, Response};
use http_body::Body;
use panic_capture::{guard, guard_or};
use tower_service::Service;

use crate::{
    ResponseBody, ResponseFuture, cause::Cause, finish::Finishing, layer::Config, report::Stage,
    summary::Seen, watch::Watch,
};

/// A service whose failures are answered, logged and reported: made by
/// [`ExceptionsLayer`](crate::ExceptionsLayer).
///
/// It cannot fail itself: its error is [`Infallible`], as axum wants it.
pub struct Exceptions<S> {
    inner: S,
    config: Arc<Config>,
    /// `poll_ready` has failed: the call that follows answers for it.
    failed: Option<Box<Cause>>,
}

impl<S> Exceptions<S> {
    pub(crate) fn new(inner: S, config: Arc<Config>) -> Self {
        Self {
            inner,
            config,
            failed: None,
        }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for Exceptions<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError> + 'static,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError> + 'static,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Nothing more may be asked of a service whose `poll_ready` has failed.
        if self.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        let inner = &mut self.inner;
        let failed = match guard(|| inner.poll_ready(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            Ok(Poll::Ready(Err(error))) => Cause::of_error(error, &self.config),
            Err(caught) => Cause::of_panic(caught),
        };
        self.failed = Some(Box::new(failed));
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let watch = Watch::of(&request, &self.config);
        if let Some(cause) = self.failed.take() {
            return ResponseFuture::failed(*cause, Stage::Ready, Some(watch));
        }
        let inner = &mut self.inner;
        let watch = Cell::new(Some(watch));
        guard_or(
            || {
                let inner = inner.call(request);
                ResponseFuture::running(inner, watch.take())
            },
            |caught| ResponseFuture::failed(Cause::of_panic(caught), Stage::Call, watch.take()),
        )
    }
}

/// The clone's readiness is its own.
impl<S: Clone> Clone for Exceptions<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.config))
    }
}

impl<S> Drop for Exceptions<S> {
    #[inline(always)]
    fn drop(&mut self) {
        // No call came after the failure, so there is no request to answer: it is reported all the same.
        if let Some(cause) = self.failed.take() {
            let seen = Seen::nothing();
            drop(Finishing::new(
                *cause,
                Stage::Ready,
                &seen,
                Arc::clone(&self.config),
            ));
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Exceptions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exceptions")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
