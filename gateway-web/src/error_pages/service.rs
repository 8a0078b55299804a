//! An application or a service, and its pages for errors.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gateway_core::bare_answer;
use gateway_core::{Application, Environ, Error, Response};
use http::Request;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::PageBody;
use super::page::Asked;
use super::pages::ErrorPages;

/// An application or a tower service with [`ErrorPages`] around it. It is what it surrounds: an [`Application`] around
/// an application, a [`Service`] around a service that never fails.
#[derive(Clone, Debug)]
pub struct ErrorPagesService<S> {
    pages: ErrorPages,
    inner: S,
}

impl<S> ErrorPagesService<S> {
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

impl<S> Layer<S> for ErrorPages {
    type Service = ErrorPagesService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorPagesService {
            pages: self.clone(),
            inner,
        }
    }
}

impl<A: Application> Application for ErrorPagesService<A> {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let asked = ErrorPages::asked_by(environ);
        let response = match self.inner.respond(environ) {
            Ok(response) => response,
            Err(error) => bare_answer::of_error(error.into()),
        };
        Ok(self.pages.dress(&asked, response).map(PageBody::into_body))
    }
}

impl<S, B, R> Service<Request<B>> for ErrorPagesService<S>
where
    S: Service<Request<B>, Response = http::Response<R>, Error = Infallible>,
{
    type Response = http::Response<PageBody<R>>;
    type Error = Infallible;
    type Future = ErrorPagesFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ErrorPagesFuture {
            asked: ErrorPages::asked(&request),
            pages: self.pages.clone(),
            future: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The response of [`ErrorPages`].
    pub struct ErrorPagesFuture<F> {
        asked: Asked,
        pages: ErrorPages,
        #[pin]
        future: F,
    }
}

impl<F, R> Future for ErrorPagesFuture<F>
where
    F: Future<Output = Result<http::Response<R>, Infallible>>,
{
    type Output = Result<http::Response<PageBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(context))?;
        Poll::Ready(Ok(this.pages.dress(this.asked, response)))
    }
}

impl<F> fmt::Debug for ErrorPagesFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPagesFuture").finish_non_exhaustive()
    }
}
