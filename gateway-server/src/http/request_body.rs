use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::pulse::Pulse;

/// The body of a request on its way to the service: counted, and given up when it stands still.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    upload: Arc<Upload>,
    /// Bytes that may still come.
    left: u64,
    stall: Stall,
}

/// Who notices that a body stands still.
#[derive(Debug)]
enum Stall {
    /// The connection's task, which sees every byte of its one request.
    Connection,
    /// The body itself: HTTP/2 has many on one connection. Boxed, and made only when a body has
    /// to wait.
    Stream {
        timeout: Option<Duration>,
        sleep: Option<Pin<Box<Sleep>>>,
    },
}

/// What the answer to a request has to know of its body.
#[derive(Debug)]
pub(crate) struct Upload {
    pulse: Arc<Pulse>,
    failure: AtomicU8,
}

const TOO_LARGE: u8 = 1;
const STALLED: u8 = 2;

impl Upload {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Arc<Self> {
        pulse.upload_began();
        Arc::new(Self {
            pulse,
            failure: AtomicU8::new(0),
        })
    }

    /// The status that says why the body failed, where that was the client's doing.
    pub(crate) fn failure(&self) -> Option<StatusCode> {
        match self.failure.load(Ordering::Acquire) {
            TOO_LARGE => Some(StatusCode::PAYLOAD_TOO_LARGE),
            STALLED => Some(StatusCode::REQUEST_TIMEOUT),
            _ => None,
        }
    }
}

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        upload: Arc<Upload>,
        most_bytes: Option<u64>,
        stream_timeout: Option<Option<Duration>>,
    ) -> Self {
        Self {
            incoming,
            upload,
            left: most_bytes.unwrap_or(u64::MAX),
            stall: stream_timeout.map_or(Stall::Connection, |timeout| Stall::Stream {
                timeout,
                sleep: None,
            }),
        }
    }

    fn fail(
        &self,
        code: u8,
        error: RequestBodyError,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        self.upload.failure.store(code, Ordering::Release);
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = &mut *self;
        let pulse = &this.upload.pulse;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Pending => {
                if this.stall.poll(pulse, cx).is_ready() {
                    return this.fail(STALLED, RequestBodyError::Stalled);
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.stall.moved(pulse);
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                match this.left.checked_sub(length) {
                    Some(left) => this.left = left,
                    None => return this.fail(TOO_LARGE, RequestBodyError::TooLarge),
                }
                if this.incoming.is_end_stream() {
                    pulse.upload_completed();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                if pulse.is_stalled() {
                    return this.fail(STALLED, RequestBodyError::Stalled);
                }
                Poll::Ready(Some(Err(RequestBodyError::Connection(error))))
            }
            Poll::Ready(None) => {
                pulse.upload_completed();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.upload.pulse.upload_completed();
        }
        self.upload.pulse.upload_ended();
    }
}

impl Stall {
    /// Ready when the body has stood still for too long.
    fn poll(&mut self, pulse: &Pulse, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Connection => {
                pulse.upload_starved();
                Poll::Pending
            }
            Self::Stream { timeout: None, .. } => Poll::Pending,
            Self::Stream {
                timeout: Some(timeout),
                sleep: waiting,
            } => {
                let waiting = waiting.get_or_insert_with(|| Box::pin(sleep(*timeout)));
                waiting.as_mut().poll(cx)
            }
        }
    }

    fn moved(&mut self, pulse: &Pulse) {
        match self {
            Self::Connection => pulse.upload_moved(),
            Self::Stream {
                timeout: Some(timeout),
                sleep: Some(waiting),
            } => waiting.as_mut().reset(Instant::now() + *timeout),
            Self::Stream { .. } => {}
        }
    }
}

/// Why the body of a request ended before its end.
///
/// Services see it inside their body's error (`source`). Whatever they make of it, a client that
/// has no answer yet is sent the status named here.
#[derive(Debug)]
#[non_exhaustive]
pub enum RequestBodyError {
    /// It is larger than [`max_body`](crate::http::Server::max_body) allows: 413.
    TooLarge,
    /// No byte came for as long as
    /// [`body_read_timeout`](crate::http::Server::body_read_timeout) allows: 408.
    Stalled,
    /// The connection is gone, or what came over it is no body.
    Connection(hyper::Error),
}

impl fmt::Display for RequestBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the request body is larger than allowed",
            Self::Stalled => "the client stopped sending the request body",
            Self::Connection(_) => "the connection failed in the request body",
        })
    }
}

impl Error for RequestBodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge | Self::Stalled => None,
            Self::Connection(error) => Some(error),
        }
    }
}
