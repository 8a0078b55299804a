//! The application's side of one request: readiness, call, response body.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gateway_core::error::{Reported, status_of};
use gateway_core::{Body, BoxError};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::error;

use crate::failure::{Panicked, guard};
use crate::framing::Unsent;

pin_project! {
    /// What runs for the present request.
    #[project = ServiceCallProj]
    pub(super) enum ServiceCall<F, B> {
        /// Nothing.
        Idle,
        /// The service is not ready for it yet.
        Ready { request: Option<Request<Body>> },
        Calling { #[pin] future: F },
        /// The head is on its way.
        Streaming { #[pin] body: B, unsent: Unsent },
    }
}

/// Why there is no response, or not all of it.
#[derive(Debug)]
pub(super) enum CallFailure {
    Error(BoxError),
    Panic(Panicked),
}

impl CallFailure {
    /// The status to answer with where no head has gone out.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Error(error) => status_of(&**error),
            Self::Panic(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Error(error) => error!("{error}"),
            Self::Panic(panicked) => panicked.log(),
        }
    }

    /// Whether a middleware has logged it.
    pub(super) fn is_reported(&self) -> bool {
        matches!(self, Self::Error(error) if Reported::is_behind(&**error))
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(panicked) => panicked.fmt(f),
        }
    }
}

impl From<Panicked> for CallFailure {
    fn from(panicked: Panicked) -> Self {
        Self::Panic(panicked)
    }
}

impl<F, B> ServiceCall<F, B> {
    /// Whether the service was asked whether it is ready, and not called yet.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Whether the head of the response is still to come.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Calling { .. })
    }

    pub(super) fn is_streaming(&self) -> bool {
        matches!(self, Self::Streaming { .. })
    }

    /// Drops whatever runs: the client is gone, or has been answered.
    pub(super) fn clear(self: Pin<&mut Self>) {
        let mut this = self;
        if let Err(panicked) = guard(|| this.set(Self::Idle)) {
            panicked.log();
        }
    }

    /// Drives the service up to its response.
    pub(super) fn poll_response<S>(
        mut self: Pin<&mut Self>,
        service: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<B>, CallFailure>>
    where
        S: Service<Request<Body>, Response = Response<B>, Future = F, Error: Into<BoxError>>,
        F: Future<Output = Result<Response<B>, S::Error>>,
    {
        loop {
            match self.as_mut().project() {
                ServiceCallProj::Ready { request } => {
                    if let Err(error) = ready!(guard(|| service.poll_ready(cx))?) {
                        return Poll::Ready(Err(CallFailure::Error(error.into())));
                    }
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    let future = guard(|| service.call(request))?;
                    self.set(Self::Calling { future });
                }
                ServiceCallProj::Calling { future } => {
                    let response = ready!(guard(|| future.poll(cx))?);
                    return Poll::Ready(response.map_err(|error| CallFailure::Error(error.into())));
                }
                ServiceCallProj::Idle | ServiceCallProj::Streaming { .. } => return Poll::Pending,
            }
        }
    }

    /// The next piece of the response's body; `None` at its end.
    ///
    /// A body that is shorter or longer than its Content-Length fails. What is longer is not asked for
    /// more than that, and the piece that would exceed it is not given.
    pub(super) fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, CallFailure>>>
    where
        B: http_body::Body<Error: Into<BoxError>>,
    {
        let ServiceCallProj::Streaming { mut body, unsent } = self.project() else {
            return Poll::Pending;
        };
        loop {
            if unsent.is_over() {
                return Poll::Ready(None);
            }
            let frame = match guard(|| body.as_mut().poll_frame(cx)) {
                Ok(frame) => ready!(frame),
                Err(panicked) => return Poll::Ready(Some(Err(panicked.into()))),
            };
            return Poll::Ready(match frame {
                None => match unsent.end() {
                    Ok(()) => None,
                    Err(short) => Some(Err(CallFailure::Error(short.into()))),
                },
                Some(Err(error)) => Some(Err(CallFailure::Error(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    // CGI has no trailers; an empty piece would say nothing.
                    Err(_) => continue,
                    Ok(mut data) => {
                        let length = data.remaining();
                        if length == 0 {
                            continue;
                        }
                        Some(match unsent.take(length) {
                            Ok(()) => Ok(data.copy_to_bytes(length)),
                            Err(long) => Err(CallFailure::Error(long.into())),
                        })
                    }
                },
            });
        }
    }

    /// Whether the body has said that nothing more will come, as it was told to.
    pub(super) fn is_at_end(&self) -> bool
    where
        B: http_body::Body,
    {
        match self {
            Self::Streaming { body, unsent } => {
                unsent.is_over() || (!unsent.is_short() && body.is_end_stream())
            }
            _ => false,
        }
    }
}
