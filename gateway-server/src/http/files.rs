//! Files that the kernel sends: their bytes never enter this process.
//!
//! hyper is generic over the data of a body and asks it for nothing but slices. The data of a range of a file is a slice
//! of a buffer that stands for any file's bytes: the [`MARK`]. The range itself waits in the connection's [`Outbox`]. When hyper
//! writes, the stream recognises the mark by its address and has the kernel send the next range in its place.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gateway_core::Body;
use gateway_core::body::{FileBody, FileRange, Piece};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::HttpService;

/// How long a slice that stands for a file may be.
const MARK_LENGTH: usize = 1 << 20;

/// Never written and never read, so it takes addresses and no memory.
static MARK: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; MARK_LENGTH].into_boxed_slice());

/// Whether a slice stands for a range of a file.
pub(crate) fn is_mark(slice: &[u8]) -> bool {
    !slice.is_empty() && MARK.as_ptr_range().contains(&slice.as_ptr())
}

/// The ranges that a connection has begun to send, in the order in which they leave.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    // Locked for moments, by the one task of a connection of HTTP/1.
    ranges: Mutex<VecDeque<FileRange>>,
}

impl Outbox {
    fn push(&self, range: FileRange) {
        self.ranges().push_back(range);
    }

    /// The next range: `None` is a mark that stands for nothing.
    pub(crate) fn front(&self) -> Option<MutexGuard<'_, VecDeque<FileRange>>> {
        let ranges = self.ranges();
        (!ranges.is_empty()).then_some(ranges)
    }

    fn ranges(&self) -> MutexGuard<'_, VecDeque<FileRange>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// The outbox of the connection that is being polled.
    static LENT: RefCell<Option<Arc<Outbox>>> = const { RefCell::new(None) };
}

/// Polls a connection of HTTP/1. Bodies that it polls may put ranges into `outbox`, and no other body may:
/// HTTP/2 polls its bodies elsewhere.
pub(crate) fn lend<T>(outbox: &Arc<Outbox>, poll: impl FnOnce() -> T) -> T {
    /// Resets the outbox, even if the poll panics.
    struct Lent(Option<Arc<Outbox>>);
    impl Drop for Lent {
        fn drop(&mut self) {
            LENT.set(self.0.take());
        }
    }
    let _lent = Lent(LENT.replace(Some(Arc::clone(outbox))));
    poll()
}

/// What leaves: bytes, or a mark for the next range.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Bytes(Bytes),
    File { left: usize },
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File { left } => *left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::File { left } => MARK.get(..*left).unwrap_or(&MARK),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(count),
            Self::File { left } => *left = left.saturating_sub(count),
        }
    }
}

pin_project! {
    /// A body whose ranges are sent by the kernel where the connection can do that.
    #[derive(Debug)]
    pub(crate) struct Files<B> {
        #[pin]
        body: B,
    }
}

impl<B: FileBody> HttpBody for Files<B> {
    type Data = Outgoing;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Outgoing>, B::Error>>> {
        let body = self.project().body;
        let Some(outbox) = LENT.with_borrow(Clone::clone) else {
            let frame = body.poll_frame(cx);
            return frame.map_ok(|frame| frame.map_data(Outgoing::Bytes));
        };
        Poll::Ready(match ready!(body.poll_piece(cx)) {
            Some(Ok(Piece::Frame(frame))) => Some(Ok(frame.map_data(Outgoing::Bytes))),
            Some(Ok(Piece::File(range))) => {
                let left = range.len();
                if left > 0 {
                    outbox.push(range);
                }
                Some(Ok(Frame::data(Outgoing::File { left })))
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A service whose bodies become [`Files`].
#[derive(Clone, Debug)]
pub(crate) struct FilesService<S>(pub(crate) S);

impl<S: HttpService<ResponseBody: FileBody>> Service<Request<Body>> for FilesService<S> {
    type Response = Response<Files<S::ResponseBody>>;
    type Error = S::Error;
    type Future = FilesFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        FilesFuture {
            future: self.0.call(request),
        }
    }
}

pin_project! {
    #[derive(Debug)]
    pub(crate) struct FilesFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, B, E> Future for FilesFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Files<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().future.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| Files { body })))
    }
}
