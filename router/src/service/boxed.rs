//! Routers over services of many types.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_core::{Body, BoxError};
use http::request::Parts;
use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::call::Call;
use super::settings::{EncodedSlashes, LeadingSlash, OtherSpellings, TrailingSlash};
use super::{ResponseFuture, Router, RouterBody, RouterBuilder};
use crate::error::BuildError;
use crate::pattern::IntoPattern;

/// A router over services of many types: a box for each, and one for each call.
///
/// `B` is the type of request bodies, `E` that of errors. With the defaults it
/// goes into an axum program as it is:
///
/// ```
/// use router::BoxRouter;
/// use tower::service_fn;
/// # use http::{Request, Response};
/// # use std::convert::Infallible;
/// # use gateway_core::Body;
///
/// let hello = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::from("hello\n"))));
/// let bye = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::from("bye\n"))));
/// let router: BoxRouter = BoxRouter::builder().get("^hello$", hello).get("^bye$", bye).build()?;
/// # Ok::<(), router::BuildError>(())
/// ```
pub struct BoxRouter<B = Body, E = Infallible> {
    router: Router<BoxEndpoint<B, E>>,
}

impl<B, E> BoxRouter<B, E> {
    /// An empty list of routes.
    pub fn builder() -> BoxRouterBuilder<B, E> {
        BoxRouterBuilder {
            inner: RouterBuilder::new(),
        }
    }

    /// Every service in a layer, see [`Router::layer`].
    #[must_use]
    pub fn layer<L, RB>(self, layer: L) -> Self
    where
        L: Layer<BoxEndpoint<B, E>>,
        L::Service: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<B>>>::Future: Send,
        <L::Service as Service<Request<B>>>::Error: Into<E> + Send,
        B: Send + 'static,
        E: 'static,
        RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let boxed = tower_layer::layer_fn(|service| BoxEndpoint::new(layer.layer(service)));
        Self {
            router: self.router.layer(boxed),
        }
    }
}

impl<B, E> Deref for BoxRouter<B, E> {
    type Target = Router<BoxEndpoint<B, E>>;

    fn deref(&self) -> &Self::Target {
        &self.router
    }
}

impl<B, E> Service<Request<B>> for BoxRouter<B, E> {
    type Response = Response<RouterBody<Body>>;
    type Error = E;
    type Future = ResponseFuture<BoxEndpoint<B, E>, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.router.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.router.call(request)
    }
}

impl<B, E> Clone for BoxRouter<B, E> {
    fn clone(&self) -> Self {
        Self {
            router: self.router.clone(),
        }
    }
}

impl<B, E> fmt::Debug for BoxRouter<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.router.fmt(f)
    }
}

impl<B, E> fmt::Display for BoxRouter<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.router.fmt(f)
    }
}

/// What a [`BoxRouter`] takes: any tower service, and with the feature `tokio`
/// any [`gateway_core::Application`].
///
/// `M` tells the kinds apart; the compiler finds it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no endpoint of a `BoxRouter` with bodies `{B}` and errors `{E}`",
    label = "neither a tower service for this router nor a `fn(&mut Environ) -> impl IntoReply`",
    note = "if its errors are not `Infallible`, let them be answered: `app.into_service().answer_errors()`",
    note = "an `async fn` of axum becomes a service with its state: `handler.with_state(())`; others with `tower::service_fn`",
    note = "an endpoint is `Clone + Send + Sync + 'static`, and its future is `Send`"
)]
pub trait IntoEndpoint<B, E, M> {
    /// The endpoint in its box.
    fn into_endpoint(self) -> BoxEndpoint<B, E>;
}

/// The kind of endpoint that is a tower service.
#[derive(Clone, Copy, Debug)]
pub struct AsService;

// What this asks of a service is told by the trait, and not by the innermost bound that fails.
#[diagnostic::do_not_recommend]
impl<S, B, E, RB> IntoEndpoint<B, E, AsService> for S
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<E> + Send,
    B: Send + 'static,
    E: 'static,
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn into_endpoint(self) -> BoxEndpoint<B, E> {
        BoxEndpoint::new(self)
    }
}

/// The kind of endpoint that is a blocking application: a function over
/// [`Environ`](gateway_core::Environ), which runs on threads that may block.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug)]
pub struct AsApplication;

/// Errors become bare responses, as [`AnswerErrors`](gateway_core::adapt::AnswerErrors) does.
#[cfg(feature = "tokio")]
#[diagnostic::do_not_recommend]
impl<A, B> IntoEndpoint<B, Infallible, AsApplication> for A
where
    A: gateway_core::Application,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn into_endpoint(self) -> BoxEndpoint<B, Infallible> {
        BoxEndpoint::new(self.into_service().answer_errors())
    }
}

/// Errors are passed on.
#[cfg(feature = "tokio")]
#[diagnostic::do_not_recommend]
impl<A, B> IntoEndpoint<B, BoxError, AsApplication> for A
where
    A: gateway_core::Application,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn into_endpoint(self) -> BoxEndpoint<B, BoxError> {
        BoxEndpoint::new(self.into_service())
    }
}

/// Collects the routes of a [`BoxRouter`]; the same methods as those of
/// [`RouterBuilder`], each for services of any type.
#[must_use]
pub struct BoxRouterBuilder<B = Body, E = Infallible> {
    inner: RouterBuilder<BoxEndpoint<B, E>>,
}

macro_rules! routes {
    ($($name:ident($pattern:ident: $type:ty))*) => {$(
        #[doc = concat!("See [`RouterBuilder::", stringify!($name), "`].")]
        pub fn $name<M>(self, $pattern: $type, endpoint: impl IntoEndpoint<B, E, M>) -> Self {
            Self { inner: self.inner.$name($pattern, endpoint.into_endpoint()) }
        }
    )*};
}

macro_rules! settings {
    ($($name:ident($($argument:ident: $type:ty),*))*) => {$(
        #[doc = concat!("See [`RouterBuilder::", stringify!($name), "`].")]
        pub fn $name(self, $($argument: $type),*) -> Self {
            Self { inner: self.inner.$name($($argument),*) }
        }
    )*};
}

impl<B, E> BoxRouterBuilder<B, E> {
    routes! {
        route(pattern: impl IntoPattern)
        get(pattern: impl IntoPattern)
        head(pattern: impl IntoPattern)
        post(pattern: impl IntoPattern)
        put(pattern: impl IntoPattern)
        delete(pattern: impl IntoPattern)
        patch(pattern: impl IntoPattern)
        options(pattern: impl IntoPattern)
        mount(prefix: impl AsRef<str>)
        mount_with_slash(prefix: impl AsRef<str>)
    }

    /// See [`RouterBuilder::methods`].
    pub fn methods<M>(
        self,
        methods: impl IntoIterator<Item = Method>,
        pattern: impl IntoPattern,
        endpoint: impl IntoEndpoint<B, E, M>,
    ) -> Self {
        Self {
            inner: self
                .inner
                .methods(methods, pattern, endpoint.into_endpoint()),
        }
    }

    /// See [`RouterBuilder::fallback`].
    pub fn fallback<M>(self, endpoint: impl IntoEndpoint<B, E, M>) -> Self {
        Self {
            inner: self.inner.fallback(endpoint.into_endpoint()),
        }
    }

    /// See [`RouterBuilder::include`].
    pub fn include(self, prefix: impl IntoPattern, other: Self) -> Self {
        Self {
            inner: self.inner.include(prefix, other.inner),
        }
    }

    /// See [`RouterBuilder::host`].
    pub fn host(self, pattern: impl AsRef<str>, routes: impl FnOnce(Self) -> Self) -> Self {
        Self {
            inner: self
                .inner
                .host(pattern, |inner| routes(Self { inner }).inner),
        }
    }

    settings! {
        converter(name: impl AsRef<str>, pattern: impl AsRef<str>)
        leading_slash(leading: LeadingSlash)
        trailing_slash(trailing: TrailingSlash)
        merge_slashes()
        encoded_slashes(slashes: EncodedSlashes)
        other_spellings(spellings: OtherSpellings)
        raw_paths()
        external_prefix(prefix: impl AsRef<str>)
        development()
        development_in_release()
        trust_users(users: impl IntoIterator<Item = u32>)
        show_details_if(allowed: impl Fn(&Parts) -> bool + Send + Sync + 'static)
        deny_shadowed()
        memory_limit(bytes: usize)
        work_limit(steps: usize)
        pattern_limit(bytes: usize)
    }

    /// See [`RouterBuilder::build`].
    ///
    /// # Errors
    ///
    /// As [`RouterBuilder::build`].
    pub fn build(self) -> Result<BoxRouter<B, E>, BuildError> {
        self.inner.build().map(|router| BoxRouter { router })
    }
}

impl<B, E> fmt::Debug for BoxRouterBuilder<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxRouterBuilder").finish_non_exhaustive()
    }
}

/// A service of any type, of which only what it takes and gives is known.
pub struct BoxEndpoint<B = Body, E = Infallible> {
    // Shared, so that a router is `Sync` although its services need not be, and
    // one clone for a request costs a count.
    service: Arc<dyn Erased<B, E>>,
}

trait Erased<B, E>: Send + Sync {
    fn answer(&self, request: Request<B>) -> Answer<E>;
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<B, E> BoxEndpoint<B, E> {
    /// Boxes a service.
    pub fn new<S, RB>(service: S) -> Self
    where
        E: 'static,
        S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<E> + Send,
        B: Send + 'static,
        RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self {
            service: Arc::new(Of(service)),
        }
    }
}

struct Of<S>(S);

impl<S, B, E, RB> Erased<B, E> for Of<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<E> + Send,
    B: Send + 'static,
    E: 'static,
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn answer(&self, request: Request<B>) -> Answer<E> {
        // If the service is ready at once, the boxed future needs no room for a request.
        match Call::new(self.0.clone(), request) {
            Call::Called { future } => Box::pin(Answering::new(future)),
            waiting => Box::pin(Answering::new(waiting)),
        }
    }
}

pin_project! {
    /// The answer of a service, in the types of the router.
    struct Answering<F, E> {
        #[pin]
        future: F,
        error: PhantomData<fn() -> E>,
    }
}

impl<F, E> Answering<F, E> {
    fn new(future: F) -> Self {
        Self {
            future,
            error: PhantomData,
        }
    }
}

impl<F, E, FE, RB> Future for Answering<F, E>
where
    F: Future<Output = Result<Response<RB>, FE>>,
    FE: Into<E>,
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().future.poll(context)).map_err(Into::into)?;
        Poll::Ready(Ok(response.map(Body::new)))
    }
}

impl<B, E> Service<Request<B>> for BoxEndpoint<B, E> {
    type Response = Response<Body>;
    type Error = E;
    type Future = Answer<E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer<E> {
        self.service.answer(request)
    }
}

impl<B, E> Clone for BoxEndpoint<B, E> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
        }
    }
}

impl<B, E> fmt::Debug for BoxEndpoint<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxEndpoint").finish_non_exhaustive()
    }
}
