//! What the layers of this crate have in common: they put something into a request and look at the head of its
//! response, around an application as around a tower service.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gateway_core::{Application, Environ, Error, RequestExt, Response};
use http::uri::Scheme;
use http::{HeaderMap, Request};
use pin_project_lite::pin_project;
use tower_service::Service;

/// An application or a tower service with a layer of this crate around it. It is what it surrounds: an
/// [`Application`] around an application, a [`Service`] around a service.
#[derive(Clone)]
pub struct Around<L, S> {
    layer: L,
    inner: S,
}

impl<L, S> Around<L, S> {
    pub(crate) fn new(layer: L, inner: S) -> Self {
        Self { layer, inner }
    }

    /// What is surrounded.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// What is surrounded, to change.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// What is surrounded, alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

/// What a layer does before and after a request.
pub(crate) trait Surround: Clone + Send + Sync + 'static {
    /// What is kept until the response comes.
    type Kept: Send + 'static;

    fn before(&self, request: &mut impl Head) -> Self::Kept;

    fn after(&self, kept: Self::Kept, headers: &mut HeaderMap);

    /// In place of `after`, where an application returned an error.
    fn failed(&self, _: Self::Kept, error: Error) -> Result<Response, Error> {
        Err(error)
    }
}

/// The head of a request, whether it is an environ's or a tower service's.
#[cfg_attr(
    not(feature = "session"),
    expect(dead_code, reason = "the session asks for all of it")
)]
pub(crate) trait Head {
    fn headers(&self) -> &HeaderMap;
    fn is_https(&self) -> bool;
    /// SCRIPT_NAME as the client encoded it.
    fn mount(&self) -> Cow<'_, str>;
    fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T);
}

impl Head for Environ {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn is_https(&self) -> bool {
        *self.scheme() == Scheme::HTTPS
    }

    fn mount(&self) -> Cow<'_, str> {
        self.raw_script_name().into()
    }

    fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.insert(value);
    }
}

impl<B> Head for Request<B> {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn is_https(&self) -> bool {
        *self.scheme() == Scheme::HTTPS
    }

    fn mount(&self) -> Cow<'_, str> {
        self.raw_script_name().into()
    }

    fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.extensions_mut().insert(value);
    }
}

impl<L: Surround, A: Application> Application for Around<L, A> {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let kept = self.layer.before(environ);
        match self.inner.respond(environ) {
            Ok(mut response) => {
                self.layer.after(kept, response.headers_mut());
                Ok(response)
            }
            Err(error) => self.layer.failed(kept, error),
        }
    }
}

impl<L, S, B, R> Service<Request<B>> for Around<L, S>
where
    L: Surround,
    S: Service<Request<B>, Response = http::Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AroundFuture<L, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let kept = self.layer.before(&mut request);
        AroundFuture {
            layer: self.layer.clone(),
            kept: Some(kept),
            future: self.inner.call(request),
        }
    }
}

impl<L: fmt::Debug, S> fmt::Debug for Around<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Around")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of an [`Around`].
    pub struct AroundFuture<L, F>
    where
        L: Surround,
    {
        layer: L,
        kept: Option<L::Kept>,
        #[pin]
        future: F,
    }
}

impl<L, F, R, E> Future for AroundFuture<L, F>
where
    L: Surround,
    F: Future<Output = Result<http::Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(context))?;
        if let Some(kept) = this.kept.take() {
            this.layer.after(kept, response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

impl<L: Surround, F> fmt::Debug for AroundFuture<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AroundFuture").finish_non_exhaustive()
    }
}
