//! Pieces of a body from a thread that blocks to a task that polls: a bounded queue.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::BoxError;
use crate::body::{BodyWriter, Writing};

/// How much may wait for a slow client before its writer waits too.
const HIGH_WATER: usize = 64 * 1024;

/// How long a writer waits for a client that takes nothing.
const STALL: Duration = Duration::from_secs(30);

/// The writing half, on a thread that may block.
pub(crate) struct Pusher {
    shared: Arc<Shared>,
}

/// The reading half, a body's.
pub(crate) struct Pushed {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    taken: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Bytes>,
    queued: usize,
    end: Option<Result<(), BoxError>>,
    abandoned: bool,
    reader: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock; were it so, the queue is still a queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pushed {
    /// Runs `write` on a thread of its own.
    pub(crate) fn start(write: Writing) -> Self {
        let shared = Arc::new(Shared::default());
        let pusher = Pusher {
            shared: Arc::clone(&shared),
        };
        let spawned = thread::Builder::new()
            .name("body-writer".into())
            .spawn(move || pusher.run(write));
        if let Err(error) = spawned {
            shared.lock().end = Some(Err(error.into()));
        }
        Self { shared }
    }

    pub(crate) fn poll_data(&self, context: &Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let mut state = self.shared.lock();
        if let Some(piece) = state.queue.pop_front() {
            state.queued -= piece.len();
            self.shared.taken.notify_one();
            return Poll::Ready(Some(Ok(piece)));
        }
        match &mut state.end {
            Some(end) => {
                let end = std::mem::replace(end, Ok(()));
                Poll::Ready(end.err().map(Err))
            }
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Pushed {
    fn drop(&mut self) {
        self.shared.lock().abandoned = true;
        self.shared.taken.notify_one();
    }
}

impl Pusher {
    fn run(self, write: Writing) {
        let result = write(&mut BodyWriter::handoff(&self));
        self.end(result);
    }

    fn end(&self, result: Result<(), BoxError>) {
        let mut state = self.shared.lock();
        state.end = Some(result);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    pub(crate) fn push(&self, piece: Bytes) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        let mut state = self.shared.lock();
        while state.queued >= HIGH_WATER && !state.abandoned {
            let before = state.queued;
            let (next, waited) = self
                .shared
                .taken
                .wait_timeout(state, STALL)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.queued >= before {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        if state.abandoned {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.queued += piece.len();
        state.queue.push_back(piece);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        Ok(())
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        // The writer panicked: a body that merely ended would look complete.
        if self.shared.lock().end.is_none() {
            self.end(Err("the body's writer panicked".into()));
        }
    }
}
