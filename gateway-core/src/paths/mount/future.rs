use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::MountBody;

pin_project! {
    /// The response of [`Mount`](super::Mount).
    #[derive(Debug)]
    pub struct ResponseFuture<M, S> {
        #[pin]
        state: State<M, S>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<M, S> {
        Mounted { #[pin] future: M },
        Otherwise { #[pin] future: S },
    }
}

impl<M, S> ResponseFuture<M, S> {
    pub(crate) fn mounted(future: M) -> Self {
        Self {
            state: State::Mounted { future },
        }
    }

    pub(crate) fn otherwise(future: S) -> Self {
        Self {
            state: State::Otherwise { future },
        }
    }
}

impl<M, S, MB, SB, ME, E> Future for ResponseFuture<M, S>
where
    M: Future<Output = Result<Response<MB>, ME>>,
    S: Future<Output = Result<Response<SB>, E>>,
    ME: Into<E>,
{
    type Output = Result<Response<MountBody<MB, SB>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProj::Mounted { future } => match ready!(future.poll(context)) {
                Ok(response) => Ok(response.map(MountBody::mounted)),
                Err(error) => Err(error.into()),
            },
            StateProj::Otherwise { future } => {
                Ok(ready!(future.poll(context))?.map(MountBody::otherwise))
            }
        })
    }
}
