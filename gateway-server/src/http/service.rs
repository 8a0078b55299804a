//! What can be served: tower services over our body, hyper services over hyper's.

use std::future::Future;
use std::task::{Context, Poll};

use gateway_core::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;

use super::replay;
use super::request_body::RequestBody;

/// What a [`Server`](crate::http::Server) can serve.
///
/// Implemented for every `tower` service from [`Request<Body>`](Body) to a response with any
/// body whose errors are errors, and for every `hyper` service from `Request<Incoming>`; `Kind`
/// tells the two apart and is always inferred. It cannot be implemented elsewhere.
///
/// Timeouts and limits are the same for both. (A hyper service wants hyper's own body type, which
/// knows neither, so a body is read through a second one: a task more for each request that has a
/// body.)
pub trait HttpService<Kind>: Serve<Kind> {}

impl<S, Kind> HttpService<Kind> for S where S: Serve<Kind> {}

/// The [`Kind`](HttpService) of tower services.
#[derive(Debug)]
pub enum Tower {}

/// The [`Kind`](HttpService) of hyper services.
#[derive(Debug)]
pub enum Hyper {}

pub(crate) mod sealed {
    use super::{
        BoxError, Context, Future, HttpBody, Incoming, Poll, Request, RequestBody, Response,
    };

    /// A tower service or a hyper service, asked in one way.
    #[expect(unnameable_types, reason = "sealed")]
    pub trait Serve<Kind>: Clone + Send + 'static {
        type Request: Send + 'static;
        type ResponseBody: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static;
        type Error: Into<BoxError>;
        type Future: Future<Output = Result<Response<Self::ResponseBody>, Self::Error>>
            + Send
            + 'static;

        /// The request as the service wants it. `watch` makes a body that is counted and timed out
        /// of hyper's, or gives it back where it is none.
        fn request<F>(request: Request<Incoming>, watch: F) -> Self::Request
        where
            F: FnOnce(Incoming) -> Result<RequestBody, Incoming>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

        fn call(&mut self, request: Self::Request) -> Self::Future;
    }
}

use sealed::Serve;

impl<S, B> Serve<Tower> for S
where
    S: tower_service::Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Request = Request<Body>;
    type ResponseBody = B;
    type Error = S::Error;
    type Future = S::Future;

    fn request<F>(request: Request<Incoming>, watch: F) -> Request<Body>
    where
        F: FnOnce(Incoming) -> Result<RequestBody, Incoming>,
    {
        request.map(|incoming| match watch(incoming) {
            // Boxed: one type serves the requests of all our servers, and it knows no hyper.
            Ok(watched) => Body::new(watched),
            Err(_none) => Body::empty(),
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        tower_service::Service::poll_ready(self, cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        tower_service::Service::call(self, request)
    }
}

impl<S, B> Serve<Hyper> for S
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Request = Request<Incoming>;
    type ResponseBody = B;
    type Error = S::Error;
    type Future = S::Future;

    fn request<F>(request: Request<Incoming>, watch: F) -> Request<Incoming>
    where
        F: FnOnce(Incoming) -> Result<RequestBody, Incoming>,
    {
        request.map(|incoming| match watch(incoming) {
            Ok(watched) => replay::incoming(watched),
            Err(none) => none,
        })
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> S::Future {
        hyper::service::Service::call(self, request)
    }
}
