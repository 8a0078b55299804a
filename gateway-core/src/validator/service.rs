use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ValidatedBody;
use super::breach::{Breaches, Reporter, Side};
use super::future::ResponseFuture;
use super::rules;
use crate::inner::inner_accessors;

/// The service of [`ValidatorLayer`](super::ValidatorLayer).
#[derive(Debug)]
pub struct Validator<S> {
    inner: S,
    breaches: Breaches,
    readiness: Readiness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Unknown,
    Ready,
    Failed,
}

impl<S> Validator<S> {
    pub(super) fn new(inner: S, breaches: Breaches) -> Self {
        Self {
            inner,
            breaches,
            readiness: Readiness::Unknown,
        }
    }

    inner_accessors!(inner);
}

impl<S: Clone> Clone for Validator<S> {
    fn clone(&self) -> Self {
        // Readiness belongs to the instance that was asked, never to its clone.
        Self::new(self.inner.clone(), self.breaches.clone())
    }
}

impl<S, B, R> Service<Request<B>> for Validator<S>
where
    S: Service<Request<ValidatedBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body,
{
    type Response = Response<ValidatedBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let ready = ready!(self.inner.poll_ready(context));
        self.readiness = match ready {
            Ok(()) => Readiness::Ready,
            Err(_) => Readiness::Failed,
        };
        Poll::Ready(ready)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reporter = Reporter {
            breaches: self.breaches.clone(),
            request: format!("{} {}", request.method(), request.uri()).into(),
            head: request.method() == http::Method::HEAD,
        };
        if self.readiness != Readiness::Ready {
            let rule = "poll_ready answers Ready before each call (tower_service::Service)";
            reporter.breach(Side::Gateway, rule, format_args!("{:?}", self.readiness));
        }
        self.readiness = Readiness::Unknown;
        rules::request(&reporter, &request);
        let declared = rules::content_length(request.headers());
        let request = request.map(|body| {
            let reporter = reporter.clone();
            ValidatedBody::new(body, reporter, Side::Gateway, declared)
        });
        ResponseFuture::new(self.inner.call(request), reporter)
    }
}
