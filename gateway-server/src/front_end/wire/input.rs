//! The body of a request, handed from the connection's task to whoever reads it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_core::BoxError;
use http_body::{Body, Frame, SizeHint};

/// How much may wait to be read before the socket is left alone: the kernel's buffers fill then,
/// and the front end waits.
const HIGH_WATER: usize = 64 * 1024;

/// The connection's end.
#[derive(Debug)]
pub(super) struct Feeder {
    shared: Arc<Mutex<State>>,
}

/// The reader's end: a request's body, as it comes in from the front end.
pub(super) struct Incoming {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    queued: usize,
    /// Bytes that the reader has not got, where that is known.
    left: Option<u64>,
    end: Option<Result<(), BoxError>>,
    /// Nobody will read.
    dropped: bool,
    /// The reader came and found nothing.
    reader: Option<Waker>,
    /// The connection came and found no room.
    feeder: Option<Waker>,
}

/// A channel for `length` bytes, or to the end that the connection sees.
pub(super) fn channel(length: Option<u64>) -> (Feeder, Incoming) {
    let shared = Arc::new(Mutex::new(State {
        left: length,
        ..State::default()
    }));
    (
        Feeder {
            shared: Arc::clone(&shared),
        },
        Incoming { shared },
    )
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing panics while it is held.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feeder {
    /// Whether more should be read from the socket; if not, the task is woken when it should.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.shared);
        if state.dropped || state.queued < HIGH_WATER {
            return Poll::Ready(());
        }
        state.feeder = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether a reader waits for more.
    pub(super) fn is_wanted(&self) -> bool {
        lock(&self.shared).reader.is_some()
    }

    pub(super) fn push(&self, chunk: Bytes) {
        let mut state = lock(&self.shared);
        if state.dropped || state.end.is_some() {
            return;
        }
        state.queued += chunk.len();
        state.chunks.push_back(chunk);
        if let Some(reader) = state.reader.take() {
            drop(state);
            reader.wake();
        }
    }

    pub(super) fn end(self, result: Result<(), BoxError>) {
        self.set_end(result);
    }

    fn set_end(&self, result: Result<(), BoxError>) {
        let mut state = lock(&self.shared);
        state.end.get_or_insert(result);
        if let Some(reader) = state.reader.take() {
            drop(state);
            reader.wake();
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // The connection ended in the middle: a body that merely ended would look complete.
        self.set_end(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()));
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = lock(&self.shared);
        if let Some(chunk) = state.chunks.pop_front() {
            state.queued -= chunk.len();
            state.left = state
                .left
                .map(|left| left.saturating_sub(chunk.len() as u64));
            let feeder = if state.queued < HIGH_WATER {
                state.feeder.take()
            } else {
                None
            };
            drop(state);
            if let Some(feeder) = feeder {
                feeder.wake();
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match &mut state.end {
            Some(end) => Poll::Ready(std::mem::replace(end, Ok(())).err().map(Err)),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = lock(&self.shared);
        state.chunks.is_empty() && matches!(state.end, Some(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.shared)
            .left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.dropped = true;
        state.chunks.clear();
        state.queued = 0;
        if let Some(feeder) = state.feeder.take() {
            drop(state);
            feeder.wake();
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}
