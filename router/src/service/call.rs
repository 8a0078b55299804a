//! One call of a service, which may have to wait until the service is ready.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use http::Request;
use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    #[project = CallProj]
    pub(crate) enum Call<S, B>
    where
        S: Service<Request<B>>,
    {
        // The service has yet to say that it is ready.
        Waiting { service: S, request: Option<Request<B>> },
        Refused { error: Option<S::Error> },
        Called { #[pin] future: S::Future },
    }
}

impl<S: Service<Request<B>>, B> Call<S, B> {
    /// Most services are always ready: they get the request at once, and it is
    /// not moved into a future and out of it again. One that is not is asked a
    /// second time, with the waker of the task.
    pub(crate) fn new(mut service: S, request: Request<B>) -> Self {
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Called {
                future: service.call(request),
            },
            Poll::Ready(Err(error)) => Self::Refused { error: Some(error) },
            Poll::Pending => Self::Waiting {
                service,
                request: Some(request),
            },
        }
    }
}

impl<S: Service<Request<B>>, B> Future for Call<S, B> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                CallProj::Called { future } => return future.poll(context),
                CallProj::Waiting { service, request } => {
                    ready!(service.poll_ready(context))?;
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    let future = service.call(request);
                    self.set(Self::Called { future });
                }
                CallProj::Refused { error } => {
                    return error
                        .take()
                        .map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
                }
            }
        }
    }
}
