//! The body of a request, handed from the connection's task to the task or thread that reads it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_core::BoxError;
use gateway_core::waker_slot::WakerSlot;
use http_body::{Body, Frame, SizeHint};

/// How much may wait to be read before the socket is left alone: the kernel's buffers fill then,
/// and the front end waits.
const HIGH_WATER: usize = 64 * 1024;

/// The connection's end.
#[derive(Debug)]
pub(super) struct Feeder {
    shared: Arc<Shared>,
}

/// The reader's end: a request's body, as it comes in from the front end.
pub(super) struct Incoming {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// The reader came and found nothing.
    reader: WakerSlot,
    /// The connection came and found no room.
    feeder: WakerSlot,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    queued: usize,
    /// Bytes that the reader has not got, where that is known.
    left: Option<u64>,
    end: Option<Result<(), BoxError>>,
    /// The reader is gone.
    dropped: bool,
}

/// A channel for `length` bytes, or to the end that the connection sees.
pub(super) fn channel(length: Option<u64>) -> (Feeder, Incoming) {
    let state = State {
        left: length,
        ..State::default()
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        ..Shared::default()
    });
    let feeder = Feeder {
        shared: Arc::clone(&shared),
    };
    (feeder, Incoming { shared })
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feeder {
    /// Whether more should be read from the socket; if not, the task is woken when it should.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.has_room() {
            self.shared.feeder.register(cx.waker());
            if !self.has_room() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn has_room(&self) -> bool {
        let state = self.shared.lock();
        state.dropped || state.queued < HIGH_WATER
    }

    /// Whether a reader waits for more.
    pub(super) fn is_wanted(&self) -> bool {
        self.shared.reader.is_set()
    }

    pub(super) fn push(&self, chunk: Bytes) {
        let mut state = self.shared.lock();
        if state.dropped || state.end.is_some() {
            return;
        }
        state.queued += chunk.len();
        state.chunks.push_back(chunk);
        drop(state);
        self.shared.reader.wake();
    }

    pub(super) fn end(self, result: Result<(), BoxError>) {
        self.set_end(result);
    }

    fn set_end(&self, result: Result<(), BoxError>) {
        let mut state = self.shared.lock();
        if state.end.is_none() {
            state.end = Some(result);
        }
        drop(state);
        self.shared.reader.wake();
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // The connection ended in the middle: a body that merely ended would look complete.
        self.set_end(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()));
    }
}

impl Incoming {
    /// What there is for the reader by now: a piece, an error, the end.
    fn poll_now(&self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.shared.lock();
        let Some(chunk) = state.chunks.pop_front() else {
            return match &mut state.end {
                Some(end) => Poll::Ready(mem::replace(end, Ok(())).err().map(Err)),
                None => Poll::Pending,
            };
        };
        state.queued -= chunk.len();
        let length = chunk.len() as u64;
        state.left = state.left.map(|left| left.saturating_sub(length));
        let has_room = state.queued < HIGH_WATER;
        drop(state);
        if has_room {
            self.shared.feeder.wake();
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let now = self.poll_now();
        if now.is_ready() {
            return now;
        }
        self.shared.reader.register(cx.waker());
        let now = self.poll_now();
        if now.is_ready() {
            drop(self.shared.reader.take());
        }
        now
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.lock();
        state.chunks.is_empty() && matches!(state.end, Some(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.shared.lock().left;
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.dropped = true;
        state.queued = 0;
        let unread = mem::take(&mut state.chunks);
        drop(state);
        drop(unread);
        // The reader waits no more.
        drop(self.shared.reader.take());
        self.shared.feeder.wake();
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::{Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// The waker of a task that owns something: dropped, it drops that, too.
    struct Owner<T>(T);

    impl<T: Send + Sync> Wake for Owner<T> {
        fn wake(self: Arc<Self>) {
            let _owned = &self.0;
        }
    }

    fn owner<T: Send + Sync + 'static>(owned: T) -> Waker {
        Waker::from(Arc::new(Owner(owned)))
    }

    /// Runs `test` elsewhere: what locks a mutex twice hangs.
    fn does_not_hang(test: impl FnOnce() + Send + 'static) {
        let (done, wait) = mpsc::channel();
        thread::spawn(move || {
            test();
            let _ = done.send(());
        });
        let ended = wait.recv_timeout(Duration::from_secs(20));
        assert_eq!(ended, Ok(()), "it hangs");
    }

    fn poll(incoming: &mut Incoming, waker: &Waker) -> Poll<Option<Result<Bytes, BoxError>>> {
        let polled = Pin::new(incoming).poll_frame(&mut Context::from_waker(waker));
        polled.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().expect("data"))))
    }

    #[test]
    fn a_waker_that_owns_the_other_end_is_dropped_without_the_lock() {
        does_not_hang(|| {
            let (feeder, mut incoming) = channel(None);
            assert!(poll(&mut incoming, &owner(feeder)).is_pending());
            // The first waker goes, and the feeder with it.
            let polled = poll(&mut incoming, Waker::noop());
            assert!(matches!(polled, Poll::Ready(Some(Err(_)))));
        });
        does_not_hang(|| {
            let (feeder, incoming) = channel(None);
            feeder.push(vec![0; HIGH_WATER].into());
            let waker = owner(Mutex::new(incoming));
            assert!(feeder.poll_room(&Context::from_waker(&waker)).is_pending());
            drop(waker);
            assert!(
                feeder
                    .poll_room(&Context::from_waker(Waker::noop()))
                    .is_ready()
            );
        });
    }

    #[test]
    fn a_reader_that_is_gone_waits_for_nothing() {
        let (feeder, mut incoming) = channel(None);
        assert!(poll(&mut incoming, Waker::noop()).is_pending());
        assert!(feeder.is_wanted());
        drop(incoming);
        assert!(!feeder.is_wanted());
    }
}
