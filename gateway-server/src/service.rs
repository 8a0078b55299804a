//! What can be served, in one word.

use gateway_core::{Body, BoxError};
use http::{Request, Response};
use tower_service::Service;

/// What the servers serve: a tower service from [`Request<Body>`](Body) to a response with any body.
///
/// Implemented for every one whose errors are errors, and which can be cloned and sent to other
/// threads: an axum `Router`, a tonic `Routes`, a `service_fn`, an
/// [`Application`](gateway_core::Application)'s `into_service()`. It cannot be implemented
/// otherwise.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tower service that a server can serve",
    label = "not a `Service<http::Request<gateway_core::Body>>` with an `http::Response`",
    note = "of an application (a blocking function of `&mut Environ`), call `.into_service()` first, or pass it to \
            `serve_app` in place of `serve`, or to `run` in place of `run_service`",
    note = "an axum `Router<()>` is one as it is; `with_state` makes one of a `Router<S>`",
    note = "an `async fn` of a request becomes one by `tower::service_fn`"
)]
pub trait HttpService:
    Service<
        Request<Body>,
        Response = Response<<Self as HttpService>::ResponseBody>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body of its responses.
    type ResponseBody: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S> HttpService for S
where
    // First: what is no service at all is then told so by our trait, and not by tower's.
    S: sealed::HttpShaped + Clone + Send + 'static,
    S: Service<
            Request<Body>,
            Response = Response<<S as sealed::HttpShaped>::Body>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        >,
    <S as sealed::HttpShaped>::Body:
        http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = <S as sealed::HttpShaped>::Body;
}

mod sealed {
    use super::{Body, Request, Response, Service};

    /// The shape alone. What else is asked for is asked by [`HttpService`](super::HttpService), so
    /// that an error that is none, or a future that stays on its thread, is named by the compiler.
    #[expect(unnameable_types, reason = "sealed")]
    pub trait HttpShaped {
        type Body;
    }

    // Else the compiler would name tower's trait, and not say what to do.
    #[diagnostic::do_not_recommend]
    impl<S, B> HttpShaped for S
    where
        S: Service<Request<Body>, Response = Response<B>>,
    {
        type Body = B;
    }
}
