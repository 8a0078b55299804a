use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ValidatedBody;
use super::breach::{Reporter, Side};
use super::rules;

pin_project! {
    /// The future of [`Validator`](super::Validator).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        reporter: Option<Reporter>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(future: F, reporter: Reporter) -> Self {
        Self {
            future,
            reporter: Some(reporter),
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ValidatedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(context));
        Poll::Ready(response.map(|response| match this.reporter.take() {
            Some(reporter) => {
                rules::response(&reporter, &response);
                let declared = rules::body_length(&reporter, &response);
                response.map(|body| ValidatedBody::new(body, reporter, Side::Application, declared))
            }
            // A future that is polled after its end may do anything; ours says nothing.
            None => response.map(ValidatedBody::unchecked),
        }))
    }
}
