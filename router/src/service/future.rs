//! The future of one request to a router.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::RouterBody;
use super::call::Call;
use super::development::PendingAnswer;

pin_project! {
    /// The response of a [`Router`](crate::Router).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        head: bool,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Called { #[pin] call: Call<S, B> },
        Own { response: Option<Response<Bytes>> },
        Development { answer: PendingAnswer },
    }
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    /// `head`: the body is to be dropped, and its length kept.
    pub(crate) fn call(service: S, request: Request<B>, head: bool) -> Self {
        Self {
            state: State::Called {
                call: Call::new(service, request),
            },
            head,
        }
    }

    pub(crate) fn own(response: Response<Bytes>, head: bool) -> Self {
        Self {
            state: State::Own {
                response: Some(response),
            },
            head,
        }
    }

    pub(crate) fn development(answer: PendingAnswer, head: bool) -> Self {
        Self {
            state: State::Development { answer },
            head,
        }
    }
}

impl<S, B, RB> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<RB>>,
    RB: Body<Data = Bytes>,
{
    type Output = Result<Response<RouterBody<RB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.state.project() {
            StateProj::Called { call } => ready!(call.poll(context))?.map(RouterBody::inner),
            StateProj::Own { response } => match response.take() {
                Some(response) => response.map(RouterBody::own),
                // Polled after it was done.
                None => return Poll::Pending,
            },
            StateProj::Development { answer } => {
                ready!(Pin::new(answer).poll(context)).map(RouterBody::own)
            }
        };
        Poll::Ready(Ok(if *this.head {
            without_body(response)
        } else {
            response
        }))
    }
}

/// RFC 9110, section 9.3.2: the same header fields as for GET, and no content.
pub(crate) fn without_body<B: Body + Default>(response: Response<B>) -> Response<B> {
    let (mut parts, body) = response.into_parts();
    let length = body.size_hint().exact().filter(|&length| length > 0);
    if let Some(length) = length
        && !parts.headers.contains_key(CONTENT_LENGTH)
        && !parts.headers.contains_key(TRANSFER_ENCODING)
    {
        parts
            .headers
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, B::default())
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
