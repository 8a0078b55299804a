//! The service: decides who failed, and leaves the rest to the future.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{Request, Response};
use http_body::Body;
use panic_capture::{Guard, Here, discard};
use tower_service::Service;

use crate::{
    ResponseBody, ResponseFuture,
    config::Config,
    failure::{
        cause::{Cause, Classified},
        facts::Stage,
    },
    pending::pending_report::PendingReport,
    record::{KnownMethod, RequestLine, RequestRecord, SharedRecord, path_of},
};

/// A service whose failures are answered, logged and reported: made by
/// [`ExceptionsLayer`](crate::ExceptionsLayer).
///
/// It cannot fail itself: its error is [`Infallible`], as axum wants it.
pub struct Exceptions<S> {
    inner: S,
    readiness: Readiness,
}

/// Whether `poll_ready` has failed, and what a report of that needs.
struct Readiness {
    shared: Arc<SharedRecord>,
    /// The next call answers with this failure.
    failed: Option<Classified>,
    /// Nothing has failed, and nothing is to be shown: little is remembered of a request.
    is_quick: bool,
}

impl Readiness {
    fn new(shared: Arc<SharedRecord>) -> Self {
        let is_quick = shared.config.gate.is_off();
        Self {
            shared,
            failed: None,
            is_quick,
        }
    }
}

impl<S> Exceptions<S> {
    pub(crate) fn new(inner: S, config: Arc<Config>) -> Self {
        Self {
            inner,
            readiness: Readiness::new(Arc::new(SharedRecord::of_service(config))),
        }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service below.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service below, by value. A failure of its `poll_ready` that no call came after is reported.
    pub fn into_inner(self) -> S {
        self.inner
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
    type Future = ResponseFuture<S::Future, R>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Do not call a service whose `poll_ready` has failed.
        if self.readiness.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        let here = Here::new();
        let guard = Guard::enter(&here);
        let failed = match guard.catch(|| self.inner.poll_ready(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            Ok(Poll::Ready(Err(error))) => {
                Classified::of_error(error, &self.readiness.shared.config.statuses)
            }
            Err(payload) => Cause::of_panic(guard.caught(payload)).into(),
        };
        self.readiness.failed = Some(failed);
        self.readiness.is_quick = false;
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = path_of(&request);
        let method = match KnownMethod::of(request.method()) {
            Some(method) if RequestLine::has_room_for(path) && self.readiness.is_quick => method,
            _ => return self.call_slowly(request),
        };
        let line = RequestLine::new(method, path);
        let shared = Arc::clone(&self.readiness.shared);
        self.call_guarded(request, line, shared)
    }
}

impl<S> Exceptions<S> {
    #[inline(always)]
    fn call_guarded<B, R>(
        &mut self,
        request: Request<B>,
        line: RequestLine,
        shared: Arc<SharedRecord>,
    ) -> ResponseFuture<S::Future, R>
    where
        S: Service<Request<B>>,
    {
        let here = Here::new();
        let guard = Guard::enter(&here);
        match guard.catch(move || self.inner.call(request)) {
            Ok(inner) => ResponseFuture::running(inner, line, shared),
            Err(payload) => {
                let cause = Cause::of_panic(guard.caught(payload));
                ResponseFuture::failed(cause, Stage::Call, &RequestRecord { line, shared })
            }
        }
    }

    fn call_slowly<B, R>(&mut self, request: Request<B>) -> ResponseFuture<S::Future, R>
    where
        S: Service<Request<B>>,
    {
        // The shared record has all of it.
        let line = RequestLine::empty();
        let shared = Arc::new(SharedRecord::in_detail(
            &request,
            &self.readiness.shared.config,
        ));
        match self.readiness.failed.take() {
            Some(unready) => {
                self.readiness.is_quick = self.readiness.shared.config.gate.is_off();
                // Its drop may panic; only the first failure is reported.
                discard(request);
                ResponseFuture::failed(unready, Stage::Ready, &RequestRecord { line, shared })
            }
            None => self.call_guarded(request, line, shared),
        }
    }
}

/// The clone's readiness is its own.
impl<S: Clone> Clone for Exceptions<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            readiness: Readiness::new(Arc::clone(&self.readiness.shared)),
        }
    }
}

impl Drop for Readiness {
    #[inline(always)]
    fn drop(&mut self) {
        // No call came after the failure, so there is no request to answer: it is reported all the same.
        if let Some(classified) = self.failed.take() {
            let record = RequestRecord::without_request(&self.shared);
            drop(PendingReport::new(classified, Stage::Ready, &record));
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
