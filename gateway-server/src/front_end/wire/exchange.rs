//! The application's side of one request: readiness, call, response body.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gateway_core::error::{Failure, Reported};
use gateway_core::{Body, BoxError};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    /// What runs for the present request.
    #[project = ExchangeProj]
    pub(super) enum Exchange<F, B> {
        /// Nothing.
        Idle,
        /// The service is not ready for it yet.
        Ready { request: Option<Request<Body>> },
        Calling { #[pin] future: F },
        /// The head is on its way, and so much of the body is still to come, if that was said.
        Streaming { #[pin] body: B, left: Option<u64> },
    }
}

/// Why there is no response, or not all of it.
#[derive(Debug)]
pub(super) enum Failed {
    Error(BoxError),
    /// What it said has been printed by the panic hook.
    Panic,
}

impl Failed {
    /// The status to answer with where no head has gone out.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Error(error) => error
                .downcast_ref::<Failure>()
                .map_or(StatusCode::INTERNAL_SERVER_ERROR, Failure::status),
            Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether a middleware has logged it.
    pub(super) fn is_reported(&self) -> bool {
        matches!(self, Self::Error(error) if Reported::is_behind(&**error))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic => f.write_str("the service panicked"),
        }
    }
}

/// Runs what is not ours. A panic must not take the connection's task down without an answer.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Failed> {
    // What was being run is dropped after a panic, and not looked at again.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Failed::Panic)
}

/// Drops what is not ours: its destructor may panic, which says no more than its message.
pub(super) fn discard<T>(value: T) {
    let _ = guarded(|| drop(value));
}

impl<F, B> Exchange<F, B> {
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
        // A destructor that panics has nothing more to say than its message.
        let _ = guarded(|| this.set(Self::Idle));
    }

    /// Drives the service up to its response.
    pub(super) fn poll_response<S>(
        mut self: Pin<&mut Self>,
        service: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<B>, Failed>>
    where
        S: Service<Request<Body>, Response = Response<B>, Future = F, Error: Into<BoxError>>,
        F: Future<Output = Result<Response<B>, S::Error>>,
    {
        loop {
            match self.as_mut().project() {
                ExchangeProj::Ready { request } => {
                    if let Err(error) = ready!(guarded(|| service.poll_ready(cx))?) {
                        return Poll::Ready(Err(Failed::Error(error.into())));
                    }
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    let future = guarded(|| service.call(request))?;
                    self.set(Self::Calling { future });
                }
                ExchangeProj::Calling { future } => {
                    let response = ready!(guarded(|| future.poll(cx))?);
                    return Poll::Ready(response.map_err(|error| Failed::Error(error.into())));
                }
                ExchangeProj::Idle | ExchangeProj::Streaming { .. } => return Poll::Pending,
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
    ) -> Poll<Option<Result<Bytes, Failed>>>
    where
        B: http_body::Body<Error: Into<BoxError>>,
    {
        let ExchangeProj::Streaming { mut body, left } = self.project() else {
            return Poll::Pending;
        };
        loop {
            if *left == Some(0) {
                return Poll::Ready(None);
            }
            let frame = match guarded(|| body.as_mut().poll_frame(cx)) {
                Ok(frame) => ready!(frame),
                Err(failed) => return Poll::Ready(Some(Err(failed))),
            };
            return Poll::Ready(match frame {
                None if left.is_some() => Some(Err(Failed::Error(
                    "the body is shorter than its Content-Length".into(),
                ))),
                None => None,
                Some(Err(error)) => Some(Err(Failed::Error(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    // CGI has no trailers; an empty piece would say nothing.
                    Err(_) => continue,
                    Ok(mut data) => {
                        let length = data.remaining();
                        if length == 0 {
                            continue;
                        }
                        match left.map(|left| left.checked_sub(length as u64)) {
                            Some(None) => Some(Err(Failed::Error(
                                "the body is longer than its Content-Length".into(),
                            ))),
                            Some(rest) => {
                                *left = rest;
                                Some(Ok(data.copy_to_bytes(length)))
                            }
                            None => Some(Ok(data.copy_to_bytes(length))),
                        }
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
            Self::Streaming { left: Some(0), .. } => true,
            Self::Streaming { left: None, body } => body.is_end_stream(),
            _ => false,
        }
    }
}
