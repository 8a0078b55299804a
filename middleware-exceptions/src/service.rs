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
use panic_capture::{Guard, Here, discard, guard};
use tower_service::Service;

use crate::{
    ResponseBody, ResponseFuture,
    config::Config,
    context::{Account, Brief, Known, Witness, path_of},
    failure::{
        cause::{Cause, Outcome},
        facts::Stage,
    },
    pending::finish::Finishing,
};

/// A service whose failures are answered, logged and reported: made by
/// [`ExceptionsLayer`](crate::ExceptionsLayer).
///
/// It cannot fail itself: its error is [`Infallible`], as axum wants it.
pub struct Exceptions<S> {
    inner: S,
    account: Arc<Account>,
    /// `poll_ready` has failed: the call that follows answers for it.
    failed: Option<Outcome>,
}

impl<S> Exceptions<S> {
    pub(crate) fn new(inner: S, config: Arc<Config>) -> Self {
        Self {
            inner,
            account: Arc::new(Account::of_service(config)),
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
        let here = Here::new();
        let guard = Guard::enter(&here);
        let failed = match guard.catch(|| self.inner.poll_ready(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            Ok(Poll::Ready(Err(error))) => Outcome::of_error(error, &self.account.config.statuses),
            Err(payload) => Cause::of_panic(guard.caught(payload)).into(),
        };
        self.failed = Some(failed);
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = path_of(&request);
        let method = match Known::of(request.method()) {
            Some(method)
                if Brief::has_room_for(path)
                    && self.failed.is_none()
                    && self.account.config.gate.is_off() =>
            {
                method
            }
            _ => return self.call_slowly(request),
        };
        let brief = Brief::new(method, path);
        let account = Arc::clone(&self.account);
        let here = Here::new();
        let guard = Guard::enter(&here);
        match guard.catch(move || self.inner.call(request)) {
            Ok(inner) => ResponseFuture::running(inner, brief, account),
            Err(payload) => {
                let cause = Cause::of_panic(guard.caught(payload));
                ResponseFuture::failed(cause, Stage::Call, &Witness { brief, account })
            }
        }
    }
}

impl<S> Exceptions<S> {
    fn call_slowly<B>(&mut self, request: Request<B>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>>,
    {
        // All of it is in the account.
        let brief = Brief::nothing();
        let account = Arc::new(Account::in_detail(&request, &self.account.config));
        match self.failed.take() {
            Some(unready) => {
                // Its drop may panic; the failure that is told of is the first.
                discard(request);
                ResponseFuture::failed(unready, Stage::Ready, &Witness { brief, account })
            }
            None => match guard(|| self.inner.call(request)) {
                Ok(inner) => ResponseFuture::running(inner, brief, account),
                Err(caught) => {
                    let cause = Cause::of_panic(caught);
                    ResponseFuture::failed(cause, Stage::Call, &Witness { brief, account })
                }
            },
        }
    }
}

/// The clone's readiness is its own.
impl<S: Clone> Clone for Exceptions<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            account: Arc::clone(&self.account),
            failed: None,
        }
    }
}

impl<S> Drop for Exceptions<S> {
    #[inline(always)]
    fn drop(&mut self) {
        // No call came after the failure, so there is no request to answer: it is reported all the same.
        if let Some(outcome) = self.failed.take() {
            let witness = Witness::of_nothing(&self.account);
            drop(Finishing::new(outcome, Stage::Ready, &witness));
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
