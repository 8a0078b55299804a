//! What can be served: tower services over our body, hyper services over hyper's.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use gateway_core::{Body, BoxError};
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::replay;
use super::request_body::RequestBody;

/// What a [`Server`](crate::http::Server) can serve.
///
/// Implemented for every `tower` service from [`Request<Body>`](Body) to a response with any
/// body whose errors are errors, and for every `hyper` service from `Request<Incoming>`; `Kind`
/// tells the two apart and is always inferred. Nobody else implements it.
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
    use super::{BoxError, Future, HttpBody, Incoming, Request, RequestBody, Response};

    #[expect(unnameable_types, reason = "sealed")]
    pub trait Serve<Kind>: Clone + Send + 'static {
        type ResponseBody: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static;
        type Future: Future<Output = Result<Response<Self::ResponseBody>, BoxError>>
            + Send
            + 'static;

        /// Asks the service. `watch` makes a body that is counted and timed out of hyper's, or
        /// gives it back where it is none.
        fn respond<F>(&self, request: Request<Incoming>, watch: F) -> Self::Future
        where
            F: FnOnce(Incoming) -> Result<RequestBody, Incoming>;
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
    type ResponseBody = B;
    type Future = TowerFuture<S>;

    fn respond<F>(&self, request: Request<Incoming>, watch: F) -> TowerFuture<S>
    where
        F: FnOnce(Incoming) -> Result<RequestBody, Incoming>,
    {
        // A clone a request: hyper calls with `&self`, several at a time over HTTP/2, and the
        // instance that was polled ready has to be the one that is called.
        let mut service = self.clone();
        let request = request.map(|incoming| match watch(incoming) {
            // Boxed: one type serves the requests of all our servers, and it knows no hyper.
            Ok(watched) => Body::new(watched),
            Err(_none) => Body::empty(),
        });
        // Nearly all services are always ready. Those that are not will be polled by somebody who
        // can be woken.
        let mut nobody = Context::from_waker(Waker::noop());
        let state = match service.poll_ready(&mut nobody) {
            Poll::Ready(Ok(())) => State::Called {
                future: service.call(request),
            },
            Poll::Ready(Err(error)) => State::Failed {
                error: Some(error.into()),
            },
            // Boxed, so that the room for it is not moved about with every request.
            Poll::Pending => State::Readying {
                waiting: Some(Box::new((service, request))),
            },
        };
        TowerFuture { state }
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
    type ResponseBody = B;
    type Future = HyperFuture<S::Future>;

    fn respond<F>(&self, request: Request<Incoming>, watch: F) -> HyperFuture<S::Future>
    where
        F: FnOnce(Incoming) -> Result<RequestBody, Incoming>,
    {
        let request = request.map(|incoming| match watch(incoming) {
            Ok(watched) => replay::incoming(watched),
            Err(none) => none,
        });
        HyperFuture {
            future: self.call(request),
        }
    }
}

pin_project! {
    /// The answer of a tower service, which is waited for until it is ready.
    #[derive(Debug)]
    pub struct TowerFuture<S: tower_service::Service<Request<Body>>> {
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<S, F> {
        Readying { waiting: Option<Box<(S, Request<Body>)>> },
        Called { #[pin] future: F },
        Failed { error: Option<BoxError> },
    }
}

impl<S, B> Future for TowerFuture<S>
where
    S: tower_service::Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>>,
{
    type Output = Result<Response<B>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Readying { waiting } => {
                    if let Some((service, _)) = waiting.as_deref_mut() {
                        ready!(service.poll_ready(cx)).map_err(Into::into)?;
                    }
                    let Some((mut service, request)) = waiting.take().map(|waiting| *waiting)
                    else {
                        return Poll::Pending; // polled again after it was over
                    };
                    let future = service.call(request);
                    this.state.set(State::Called { future });
                }
                StateProj::Failed { error } => {
                    return error
                        .take()
                        .map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
                }
                StateProj::Called { future } => return future.poll(cx).map_err(Into::into),
            }
        }
    }
}

pin_project! {
    /// The answer of a hyper service.
    #[derive(Debug)]
    pub struct HyperFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, B, E> Future for HyperFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map_err(Into::into)
    }
}
