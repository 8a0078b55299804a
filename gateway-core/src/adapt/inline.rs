use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::AnswerErrors;
use crate::{Application, BoxError, Environ, Error, Input, Response};

/// What axum's extractors take, too.
const INPUT_LIMIT: usize = 2 * 1024 * 1024;

/// An application as a tower service, called where it is polled: made by
/// [`into_inline_service`](Application::into_inline_service).
///
/// For code that never blocks: it computes and answers. There is no hop to another thread, and no
/// limit to how many run. A request's body is awaited first, up to
/// [`input_limit`](Self::input_limit), so that reading it does not block; iterators of the
/// response run where the body is polled.
///
/// Code that does block (files, databases, `sleep`) would stop every other request of its thread:
/// [`into_service`](Application::into_service) is for that.
///
/// # Errors and panics
///
/// The application's error, boxed: a [`Failure`](crate::error::Failure), with status and place. A body
/// longer than the limit: 413. Panics go their own way.
pub struct InlineService<A> {
    application: Arc<A>,
    input_limit: usize,
}

impl<A: Application> InlineService<A> {
    pub(crate) fn new(application: A) -> Self {
        Self {
            application: Arc::new(application),
            input_limit: INPUT_LIMIT,
        }
    }

    /// The longest body that is taken, in bytes. Default: 2 MiB. Longer ones are answered with
    /// 413.
    #[must_use]
    pub fn input_limit(mut self, bytes: usize) -> Self {
        self.input_limit = bytes;
        self
    }

    /// The same service, with errors answered by a bare response: see [`AnswerErrors`].
    pub fn answer_errors(self) -> AnswerErrors<Self> {
        AnswerErrors::new(self)
    }
}

impl<A, B> Service<Request<B>> for InlineService<A>
where
    A: Application,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = InlineFuture<A>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> InlineFuture<A> {
        let (parts, body) = request.into_parts();
        // Before the head is moved: what may panic in between costs a move more.
        let input = Input::from_body(body);
        InlineFuture {
            environ: Some(Environ::new(parts, input)),
            application: Arc::clone(&self.application),
            input_limit: self.input_limit,
        }
    }
}

impl<A> Clone for InlineService<A> {
    fn clone(&self) -> Self {
        Self {
            application: Arc::clone(&self.application),
            input_limit: self.input_limit,
        }
    }
}

impl<A> fmt::Debug for InlineService<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineService")
            .field("input_limit", &self.input_limit)
            .finish_non_exhaustive()
    }
}

/// The response of an [`InlineService`].
pub struct InlineFuture<A> {
    application: Arc<A>,
    // The application is called with it where it is: a request is some 250 bytes, and a response
    // that waited here would be moved twice more.
    environ: Option<Environ>,
    input_limit: usize,
}

impl<A: Application> Future for InlineFuture<A> {
    type Output = Result<Response, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(environ) = &mut this.environ else {
            return Poll::Ready(Err(polled_again()));
        };
        if !environ.input().is_empty() {
            ready!(environ.input().poll_arrival(context, this.input_limit));
            if environ.input().exceeds(this.input_limit) {
                return Poll::Ready(Err(too_large(this.input_limit)));
            }
        }
        let answer = this.application.respond(environ);
        this.environ = None;
        match answer {
            Ok(response) => Poll::Ready(Ok(response)),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

#[cold]
fn too_large(limit: usize) -> BoxError {
    let text = format!("the body is longer than {limit} bytes");
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, text).into()
}

#[cold]
fn polled_again() -> BoxError {
    "the future was polled after its end".into()
}

impl<A> fmt::Debug for InlineFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineFuture")
            .field("environ", &self.environ)
            .finish_non_exhaustive()
    }
}
