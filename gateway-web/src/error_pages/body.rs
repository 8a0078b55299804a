//! The states of one response body below [`ErrorPages`](super::ErrorPages).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_core::Body;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of the inner service as it is, or a page in its place.
    #[derive(Debug)]
    pub struct PageBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<B> {
        Inner { #[pin] body: B },
        Page { page: Option<Bytes> },
    }
}

impl<B> PageBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self {
            state: State::Inner { body },
        }
    }

    pub(super) fn page(page: Bytes) -> Self {
        Self {
            state: State::Page {
                page: Some(page).filter(|page| !page.is_empty()),
            },
        }
    }
}

impl PageBody<Body> {
    pub(super) fn into_body(self) -> Body {
        match self.state {
            State::Inner { body } => body,
            State::Page { page } => page.map_or_else(Body::empty, Body::from),
        }
    }
}

impl<B: Default> Default for PageBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for PageBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProj::Inner { body } => body.poll_frame(context),
            StateProj::Page { page } => Poll::Ready(page.take().map(|page| Ok(Frame::data(page)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } => body.is_end_stream(),
            State::Page { page } => page.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } => body.size_hint(),
            State::Page { page } => {
                SizeHint::with_exact(page.as_ref().map_or(0, |page| page.len() as u64))
            }
        }
    }
}
