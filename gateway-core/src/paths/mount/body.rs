use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

pin_project! {
    /// The body of whichever service answered, as it is.
    #[derive(Debug)]
    pub struct MountBody<M, S> {
        #[pin]
        from: From<M, S>,
    }
}

pin_project! {
    #[project = FromProj]
    #[derive(Debug)]
    enum From<M, S> {
        Mounted { #[pin] body: M },
        Otherwise { #[pin] body: S },
    }
}

impl<M, S> MountBody<M, S> {
    pub(super) fn mounted(body: M) -> Self {
        Self {
            from: From::Mounted { body },
        }
    }

    pub(super) fn otherwise(body: S) -> Self {
        Self {
            from: From::Otherwise { body },
        }
    }

    /// The body of the mounted service, if it was that which answered.
    pub fn into_mounted(self) -> Option<M> {
        match self.from {
            From::Mounted { body } => Some(body),
            From::Otherwise { .. } => None,
        }
    }
}

impl<M, S: Default> Default for MountBody<M, S> {
    fn default() -> Self {
        Self::otherwise(S::default())
    }
}

impl<M, S> Body for MountBody<M, S>
where
    M: Body,
    S: Body<Data = M::Data>,
    M::Error: Into<BoxError>,
    S::Error: Into<BoxError>,
{
    type Data = M::Data;
    // Two error types at most meet here, and one is mostly `Infallible`: boxed only on failure.
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        match self.project().from.project() {
            FromProj::Mounted { body } => body.poll_frame(context).map_err(Into::into),
            FromProj::Otherwise { body } => body.poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            From::Mounted { body } => body.is_end_stream(),
            From::Otherwise { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Mounted { body } => body.size_hint(),
            From::Otherwise { body } => body.size_hint(),
        }
    }
}
