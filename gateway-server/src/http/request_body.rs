use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep};

use super::activity::Event;
use super::shared_activity::SharedActivity;

/// The body of a request on its way to the service: counted, and given up when it stands still.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    upload: Arc<Upload>,
    /// Bytes that may still come.
    left: u64,
    stall: Stall,
    has_trailers: bool,
}

/// How long a body may stand still, where it has to notice that itself; see [`Upload::is_at_home`].
#[derive(Debug)]
struct Stall {
    timeout: Option<Duration>,
    // Boxed, and made only when a body has to wait.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// What the answer to a request has to know of its body.
#[derive(Debug)]
pub(crate) struct Upload {
    activity: Arc<SharedActivity>,
    end_by: EndBy,
    // The connection's task, once it has polled the service's future.
    home: OnceLock<Waker>,
    failure: AtomicU8,
    // The body has ended, and its end is unambiguous.
    finished: AtomicBool,
    dropped: AtomicBool,
}

/// How the end of a body is told from the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndBy {
    /// By HTTP/2.
    Stream,
    /// By chunks, and perhaps trailers after them.
    Chunked,
    /// By Content-Length.
    Length,
    /// By Content-Length too, but the client may wait for a 100 before it sends any of it.
    Withheld,
}

const TOO_LARGE: u8 = 1;
const STALLED: u8 = 2;
const BROKEN: u8 = 3;

impl Upload {
    pub(crate) fn new(activity: Arc<SharedActivity>, end_by: EndBy) -> Arc<Self> {
        Arc::new(Self {
            activity,
            end_by,
            home: OnceLock::new(),
            failure: AtomicU8::new(0),
            finished: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
        })
    }

    /// The task that polls with `cx` is the connection's.
    pub(crate) fn polled_by_connection(&self, cx: &Context<'_>) {
        self.home.get_or_init(|| cx.waker().clone());
    }

    /// Whether the task that waits for an HTTP/1 body is the connection's own, which sees every byte
    /// of its one request and looks at the time anyway. It does not hear of it when some other task
    /// waits.
    fn is_at_home(&self, cx: &Context<'_>) -> bool {
        let home = self.home.get();
        self.end_by != EndBy::Stream && home.is_some_and(|home| home.will_wake(cx.waker()))
    }

    /// Whether the connection has to end with the answer that is about to be sent.
    ///
    /// Chunks end in a trailer section, in which hyper looks for CR LF CR LF and its parser takes
    /// a line feed alone for the end of a line: what follows such a line, the next request for
    /// another client, would be swallowed. So a body with trailers is the last of its connection,
    /// and so is one whose end was not seen: hyper goes on only if the end is at hand when it is
    /// dropped, which is looked at there, so that the head can say what becomes of the connection.
    pub(crate) fn ends_connection(&self) -> bool {
        if self.failure.load(Ordering::Acquire) != 0 {
            return true;
        }
        if self.finished.load(Ordering::Acquire) {
            return false;
        }
        match self.end_by {
            EndBy::Stream => false,
            EndBy::Chunked | EndBy::Withheld => true,
            EndBy::Length => self.dropped.load(Ordering::Acquire),
        }
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
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            incoming,
            upload,
            left: most_bytes.unwrap_or(u64::MAX),
            stall: Stall {
                timeout,
                sleep: None,
            },
            has_trailers: false,
        }
    }

    /// Throws away what has come, which is mostly all of it: a small body comes with its head.
    fn skip(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut self.incoming).poll_frame(&mut cx) {}
    }

    fn finish(&self) {
        self.upload.activity.upload_completed();
        if !self.has_trailers {
            self.upload.finished.store(true, Ordering::Release);
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
        let activity = &this.upload.activity;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Pending => {
                if this.stall.poll(&this.upload, cx).is_ready() {
                    return this.fail(STALLED, RequestBodyError::Stalled);
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.stall.moved(&this.upload);
                this.has_trailers |= frame.is_trailers();
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                match this.left.checked_sub(length) {
                    Some(left) => this.left = left,
                    None => return this.fail(TOO_LARGE, RequestBodyError::TooLarge),
                }
                if this.incoming.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                if activity.is_stalled() {
                    return this.fail(STALLED, RequestBodyError::Stalled);
                }
                this.fail(BROKEN, RequestBodyError::Connection(error))
            }
            Poll::Ready(None) => {
                this.finish();
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
        if self.upload.end_by == EndBy::Length {
            self.skip();
        }
        if self.incoming.is_end_stream() {
            self.finish();
        }
        self.upload.dropped.store(true, Ordering::Release);
        self.upload.activity.upload_ended();
    }
}

impl Stall {
    /// Ready when the body has stood still for too long.
    fn poll(&mut self, upload: &Upload, cx: &mut Context<'_>) -> Poll<()> {
        if upload.is_at_home(cx) {
            upload.activity.on(Event::UploadStarved);
            return Poll::Pending;
        }
        // A body can be read outside a runtime, where nothing tells the time.
        let (Some(timeout), Ok(_runtime)) = (self.timeout, Handle::try_current()) else {
            return Poll::Pending;
        };
        let waiting = self.sleep.get_or_insert_with(|| Box::pin(sleep(timeout)));
        waiting.as_mut().poll(cx)
    }

    fn moved(&mut self, upload: &Upload) {
        if upload.end_by != EndBy::Stream {
            upload.activity.upload_moved();
        }
        if let (Some(timeout), Some(waiting)) = (self.timeout, &mut self.sleep) {
            waiting.as_mut().reset(Instant::now() + timeout);
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
