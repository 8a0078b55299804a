use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::bare_answer;
use crate::inner::inner_accessors;
use crate::{BoxError, Response};

/// A service whose errors are answered: the status of a [`Failure`](crate::error::Failure) and its name as text, and 500
/// for any other error. Nothing of the error itself is shown.
///
/// It fits where axum wants `Infallible`:
///
/// ```
/// use gateway_core::{Application, Environ, Error, Reply};
///
/// fn report(environ: &mut Environ) -> Result<Reply, Error> {
///     let year: u16 = environ.query("year").unwrap_or_default().parse()?;
///     Ok(Reply::text(format!("{year}\n")))
/// }
///
/// let app: axum::Router = axum::Router::new()
///     .route_service("/report", report.into_service().answer_errors());
/// ```
///
/// The error is put into the response's extensions as [`FailedBy`](crate::FailedBy), for a log further out, and the
/// body is said to be bare, for a site's error pages.
/// `middleware-exceptions` answers errors *and* panics, with a report.
#[derive(Debug)]
pub struct AnswerErrors<S> {
    service: S,
    /// The error of `poll_ready`: the answer to the next call.
    unready: Option<BoxError>,
}

impl<S> AnswerErrors<S> {
    /// Answers the errors of `service`.
    pub fn new(service: S) -> Self {
        Self {
            service,
            unready: None,
        }
    }

    inner_accessors!(service);
}

impl<S, R> Service<R> for AnswerErrors<S>
where
    S: Service<R, Response = Response, Error: Into<BoxError>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = AnswerFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.unready.is_none() {
            self.unready = ready!(self.service.poll_ready(context))
                .err()
                .map(Into::into);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let state = match self.unready.take() {
            None => State::Called {
                future: self.service.call(request),
            },
            Some(error) => State::Unready { error: Some(error) },
        };
        AnswerFuture { state }
    }
}

impl<S: Clone> Clone for AnswerErrors<S> {
    fn clone(&self) -> Self {
        Self::new(self.service.clone())
    }
}

pin_project! {
    /// The response of [`AnswerErrors`].
    pub struct AnswerFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] future: F },
        Unready { error: Option<BoxError> },
    }
}

impl<F, E> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProj::Called { future } => ready!(future.poll(context))
                .unwrap_or_else(|error| bare_answer::of_error(error.into())),
            StateProj::Unready { error } => bare_answer::of_error(
                error
                    .take()
                    .unwrap_or_else(|| "polled after its end".into()),
            ),
        }))
    }
}

impl<F> fmt::Debug for AnswerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture").finish_non_exhaustive()
    }
}
