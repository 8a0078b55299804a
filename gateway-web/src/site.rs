//! A whole site as one type.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_core::{Body, BoxError, Response};
use http::Request;
use http_body::Body as HttpBody;
use tower_service::Service;

/// A whole site with all the layers around it, as a type that a function can return: a tower service for any server of
/// `gateway-server`, for tests, and for an axum program.
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Application, Environ, Reply};
/// use gateway_web::{ErrorPage, ErrorPages, Site};
/// use tower::ServiceBuilder;
///
/// fn index(_: &mut Environ) -> Reply {
///     Reply::text("welcome")
/// }
///
/// fn site() -> Site {
///     Site::new(
///         ServiceBuilder::new()
///             .layer(ErrorPages::new(|page: &ErrorPage<'_>| page.reason()))
///             .service(index.into_inline_service().answer_errors()),
///     )
/// }
///
/// Client::of_service(site()).get("/").send().assert_text("welcome");
/// ```
///
/// It costs an allocation for each request and one for its body, where that is not a [`Body`] already. Clones are the
/// same site.
pub struct Site {
    inner: Box<dyn Erased>,
}

impl Site {
    /// A site that is this service, which answers everything, its failures too: by `ExceptionsLayer` or
    /// `.answer_errors()`.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = http::Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self {
            inner: Box::new(service),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// What is left of a service when its type is forgotten.
trait Erased: Send + Sync {
    fn another(&self) -> Box<dyn Erased>;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>>;

    fn answer(&mut self, request: Request<Body>) -> Answer;
}

impl<S, B> Erased for S
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn another(&self) -> Box<dyn Erased> {
        Box::new(self.clone())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.poll_ready(context)
    }

    fn answer(&mut self, request: Request<Body>) -> Answer {
        let response = self.call(request);
        Box::pin(async move { Ok(response.await?.map(Body::new)) })
    }
}

impl<B> Service<Request<B>> for Site
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = SiteFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll(context)
    }

    fn call(&mut self, request: Request<B>) -> SiteFuture {
        SiteFuture {
            answer: self.inner.answer(request.map(Body::new)),
        }
    }
}

impl Clone for Site {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.another(),
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

/// The response of a [`Site`].
#[must_use = "futures do nothing unless they are polled"]
pub struct SiteFuture {
    answer: Answer,
}

impl Future for SiteFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(context)
    }
}

impl fmt::Debug for SiteFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteFuture").finish_non_exhaustive()
    }
}
