//! The pieces of a response, from the thread that runs Python to the task that polls.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_core::BoxError;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pyo3::Python;

use crate::crew::{Crew, Origin, Run};
use crate::host::Host;
use crate::iterable::{Iterable, Piece};
use crate::patience::{Patience, STALL};

/// How much waits for a client; when half of it is gone, the iterable goes on.
const HIGH_WATER: usize = 128 * 1024;

/// How much is produced in one go while others wait for the thread.
const TURN: usize = 256 * 1024;

/// How much more `write()` may leave where no place to wait is free.
const SPILL: usize = 1024 * 1024;

/// What both sides share.
pub(crate) struct Stream {
    state: Mutex<State>,
    room: Condvar,
    host: Arc<Host>,
    origin: Origin,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    queued: usize,
    /// There unless a thread has it.
    iterable: Option<Iterable>,
    /// A thread was asked for, or has the iterable.
    scheduled: bool,
    end: Option<Result<(), BoxError>>,
    abandoned: bool,
    /// Of `write()`.
    patience: Patience,
    reader: Option<Waker>,
}

impl Stream {
    pub(crate) fn new(host: Arc<Host>, origin: Origin) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                // By the call that began it.
                scheduled: true,
                ..State::default()
            }),
            room: Condvar::new(),
            host,
            origin,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client has gone away.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Queues a piece. Whether there is room for more.
    fn push(&self, piece: Bytes) -> bool {
        let mut state = self.lock();
        if state.abandoned {
            return false;
        }
        state.queued += cost(&piece);
        state.pieces.push_back(piece);
        let room = state.queued < HIGH_WATER;
        let reader = state.reader.take();
        drop(state);
        self.wake(reader);
        room
    }

    /// Queues a piece, whatever is there already.
    pub(crate) fn put(&self, piece: Bytes) {
        self.push(piece);
    }

    pub(crate) fn end(&self, end: Result<(), BoxError>) {
        let mut state = self.lock();
        state.scheduled = false;
        state.end = Some(end);
        let reader = state.reader.take();
        drop(state);
        self.wake(reader);
    }

    /// Produces pieces of `iterable` until there are enough, or it ends.
    pub(crate) fn produce(self: &Arc<Self>, py: Python<'_>, mut iterable: Iterable) {
        let mut produced = 0;
        loop {
            if self.is_abandoned() {
                iterable.close(py);
                return;
            }
            match iterable.next(py, self.host.crew()) {
                Ok(Some(piece)) => {
                    produced += cost(&piece);
                    let room = self.push(piece);
                    if room && produced < TURN {
                        continue;
                    }
                    let mut state = self.lock();
                    if state.abandoned {
                        drop(state);
                        iterable.close(py);
                        return;
                    }
                    // Perhaps the client was quicker than this.
                    let again = state.queued < HIGH_WATER;
                    state.iterable = Some(iterable);
                    state.scheduled = again;
                    drop(state);
                    if again {
                        self.host.crew().submit(Arc::clone(self) as _);
                    }
                    return;
                }
                Ok(None) => {
                    // Before the end is told: who has seen a body's end may count on its `close()`.
                    let closed = iterable.try_close(py);
                    self.end(closed.map_err(|error| self.host.failure(py, &error).into()));
                    return;
                }
                Err(error) => {
                    let failure = self.host.failure(py, &error);
                    iterable.close(py);
                    self.end(Err(failure.into()));
                    return;
                }
            }
        }
    }

    /// From `write()`: queues a piece, when there is room for it. Outside Python's lock.
    pub(crate) fn write(&self, piece: Bytes) -> io::Result<()> {
        if self.lock().queued >= HIGH_WATER {
            Crew::away(|| self.wait_for_room())?;
        }
        if self.is_abandoned() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.push(piece);
        Ok(())
    }

    fn wait_for_room(&self) -> io::Result<()> {
        let crew = self.host.crew();
        let place = crew.try_hold(&self.origin);
        let mut queued = usize::MAX;
        let mut moved_at = Instant::now();
        loop {
            let state = self.lock();
            if state.abandoned || state.queued < HIGH_WATER {
                return Ok(());
            }
            if place.is_none() && state.queued < SPILL {
                return Ok(());
            }
            if state.queued < queued {
                queued = state.queued;
                moved_at = Instant::now();
            }
            let stalled = moved_at.elapsed();
            let is_over = match place {
                Some(_) if crew.is_contended() => stalled >= STALL / 3,
                Some(_) => stalled >= STALL,
                None => state.patience.is_over_without_place(),
            };
            if is_over || state.patience.is_over() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let since = Instant::now();
            let waited = self.room.wait_timeout(state, Duration::from_secs(1));
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.patience = state.patience.waited(since.elapsed());
        }
    }

    fn wake(&self, reader: Option<Waker>) {
        if let Some(reader) = reader {
            self.host.crew().wake(reader);
        }
    }

    /// Finds a thread for the iterable, to go on with it or to close it.
    fn schedule(self: &Arc<Self>) {
        self.host.crew().submit(Arc::clone(self) as _);
    }
}

impl Run for Stream {
    fn run(self: Arc<Self>, py: Python<'_>) {
        let iterable = self.lock().iterable.take();
        if let Some(iterable) = iterable {
            self.produce(py, iterable);
        }
    }
}

/// What a piece takes up: a queue of single bytes must not cost a hundred times what it says.
fn cost(piece: &Piece) -> usize {
    const HANDLE: usize = 64;
    piece.len() + HANDLE
}

/// The client's half: a body to be polled. Dropped before its end, it has the iterable closed.
pub(crate) struct Streamed {
    stream: Arc<Stream>,
    /// How often every other task may go first before a failure is told, so that what was produced
    /// before it is sent.
    turns: u8,
}

impl Streamed {
    pub(crate) fn new(stream: Arc<Stream>) -> Self {
        Self { stream, turns: 2 }
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.stream.host.crew().pass_on();
        let mut state = self.stream.lock();
        if let Some(piece) = state.pieces.pop_front() {
            state.queued -= cost(&piece);
            state.patience = state.patience.moved(piece.len() as u64);
            let low = state.queued < HIGH_WATER / 2;
            let parked = low && state.iterable.is_some() && !state.scheduled;
            state.scheduled |= parked;
            drop(state);
            if low {
                self.stream.room.notify_all();
            }
            if parked {
                self.stream.schedule();
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut state.end {
            Some(Ok(())) => return Poll::Ready(None),
            Some(end @ Err(_)) if self.turns == 0 => {
                let failed = mem::replace(end, Ok(())).err();
                return Poll::Ready(failed.map(Err));
            }
            Some(Err(_)) => {
                drop(state);
                self.turns -= 1;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => {}
        }
        let waker = context.waker();
        if !state.reader.as_ref().is_some_and(|it| it.will_wake(waker)) {
            state.reader = Some(waker.clone());
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let state = self.stream.lock();
        state.pieces.is_empty() && matches!(state.end, Some(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.stream.host.crew().pass_on();
        let mut state = self.stream.lock();
        state.abandoned = true;
        let left = (mem::take(&mut state.pieces), state.reader.take());
        state.queued = 0;
        let parked = state.iterable.is_some() && !state.scheduled;
        state.scheduled |= parked;
        drop(state);
        drop(left);
        self.stream.room.notify_all();
        if parked {
            self.stream.schedule();
        }
    }
}
