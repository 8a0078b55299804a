//! Hands a body from a thread that may block to a task that polls.
//!
//! One bounded queue for both kinds of producer. An iterator is *parked* when the queue is full:
//! its thread goes away, and one comes back when there is room. A writer cannot be parked in the
//! middle of a `write`: it waits, and so holds its thread. What the producer is doing, and what follows, is
//! decided in [`producer`](super::producer).

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use panic_capture::{discard, guard};

use super::ahead::{Ahead, HIGH_WATER};
use super::ending::BodyFailure;
use super::patience::{MINIMUM_RATE, Patience, STALL};
use super::producer::{Effect, Event, Producer};
use super::source::{Chunks, Source, Writing};
use super::writer::{BodyWriter, PieceSink};
use crate::threads::handle::PoolHandle;
use crate::threads::reserve::Reserve;
use crate::threads::work::{Holding, Origin, Run, Turn, Urgency, Work};
use crate::waker_slot::WakerSlot;

/// How many bytes are produced in one turn while other jobs wait for the thread.
const TURN: usize = 256 * 1024;

/// The body's half.
pub(crate) struct Receiver {
    handoff: Arc<Handoff>,
}

/// What both halves share.
pub(crate) struct Handoff {
    state: Mutex<State>,
    /// Tells a writer that there is room.
    taken: Condvar,
    /// The task that reads, while it waits.
    reader: WakerSlot,
    /// Whether the source is a writer.
    writes: bool,
    config: HandoffConfig,
}

/// How a body is handed over.
#[derive(Default)]
pub(crate) struct HandoffConfig {
    /// The pool that lends threads. `None`: a writer gets a thread of its own, an iterator runs where it is polled.
    pub(crate) pool: Option<PoolHandle>,
    /// How many bytes may be queued for the client. `None`: [`HIGH_WATER`], and what can be borrowed.
    pub(crate) high_water: Option<usize>,
    pub(crate) patience: Patience,
    /// The client's connection.
    pub(crate) origin: Origin,
    /// The iterator reads the request's body, so it may wait for the client.
    pub(crate) reads_client: bool,
    /// Set when the body is dropped before its end.
    pub(crate) cancelled: Option<Arc<AtomicBool>>,
}

impl HandoffConfig {
    /// For a body that no adapter has handed over.
    pub(crate) fn wherever_polled() -> Self {
        match PoolHandle::shared() {
            Some(handle) => Self {
                patience: Patience::new(STALL)
                    .with_rate(MINIMUM_RATE)
                    .among(handle.pool().writing_contended()),
                pool: Some(handle),
                ..Self::default()
            },
            None => Self::default(),
        }
    }
}

/// A response's head that is held back until its body has begun.
pub(crate) trait HeldHead: Send + Sync {
    /// Lets the head go out.
    fn release(&self);

    /// The body failed before it began: discards the head, because the failure becomes the response.
    fn replace(&self, failed: BodyFailure);
}

struct State {
    queue: VecDeque<Bytes>,
    queued: usize,
    /// How many bytes were queued since the beginning.
    made: usize,
    ahead: Ahead,
    /// Of a writer.
    patience: Patience,
    producer: Producer<Source, BodyFailure>,
    /// The reader has found the queue empty, and looked again after all other tasks' turns.
    yielded: bool,
    /// Released once, by the first piece, the end, or a `flush` before either.
    head: Option<Arc<dyn HeldHead>>,
}

impl State {
    fn push(&mut self, piece: Bytes) {
        self.queued += cost(&piece);
        self.made = self.made.saturating_add(cost(&piece));
        self.queue.push_back(piece);
    }

    /// Whether the body is long enough that reused buffers pay.
    fn is_long(&self) -> bool {
        self.made >= HIGH_WATER
    }
}

/// The result of a producer's turn.
pub(crate) struct Produced {
    /// How often the application's code was called.
    steps: usize,
    /// It stopped because other jobs wait for the thread, though the client could take more. Otherwise the
    /// producer is parked or has ended.
    gave_way: bool,
}

impl Produced {
    fn enough(steps: usize) -> Self {
        Self {
            steps,
            gave_way: false,
        }
    }
}

impl Receiver {
    pub(crate) fn new(source: Source, config: HandoffConfig) -> Self {
        let writes = matches!(source, Source::Writing(_));
        let state = State {
            queue: VecDeque::new(),
            queued: 0,
            made: 0,
            ahead: Ahead::new(config.high_water.unwrap_or(HIGH_WATER)),
            patience: config.patience.clone(),
            producer: Producer::Parked(source),
            yielded: false,
            head: None,
        };
        Self {
            handoff: Arc::new(Handoff {
                state: Mutex::new(state),
                taken: Condvar::new(),
                reader: WakerSlot::default(),
                writes,
                config,
            }),
        }
    }

    /// Whether producing may wait for the client.
    pub(crate) fn holding(&self) -> (Holding, &Origin) {
        (self.handoff.holding(), &self.handoff.config.origin)
    }

    /// The producer's half, for a thread that goes on with it at once. `head` is released when the
    /// body has begun.
    pub(crate) fn begin(&self, head: Arc<dyn HeldHead>) -> Arc<Handoff> {
        let mut state = self.handoff.lock();
        // The thread that calls is the one that is asked for.
        _ = state.producer.on(Event::Awaited);
        state.head = Some(head);
        drop(state);
        Arc::clone(&self.handoff)
    }

    pub(crate) fn poll_data(
        &self,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        let handoff = &self.handoff;
        let mut registered = false;
        loop {
            let mut state = handoff.lock();
            if let Some(piece) = state.queue.pop_front() {
                state.queued -= cost(&piece);
                state.patience.moved(piece.len(), Instant::now);
                state.yielded = false;
                self.make_room(state);
                return Poll::Ready(Some(Ok(piece)));
            }
            state.ahead.give_back(handoff.reserve());
            if !state.producer.is_ended() {
                if state.producer.is_busy() && !mem::replace(&mut state.yielded, true) {
                    // All other tasks that are due may go first; perhaps there is more by then.
                    drop(state);
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if !mem::replace(&mut registered, true) {
                    drop(state);
                    handoff.reader.register(context.waker());
                    continue;
                }
            }
            let effect = state.producer.on(Event::Awaited);
            drop(state);
            match effect {
                Effect::Complete => return Poll::Ready(None),
                Effect::Fail(failed) => return Poll::Ready(Some(Err(failed))),
                Effect::Schedule => {
                    if !handoff.schedule(Urgency::Now) {
                        return Poll::Pending;
                    }
                    // Produced here, where no runtime runs.
                }
                Effect::Hurry => {
                    handoff.hurry();
                    return Poll::Pending;
                }
                _ => return Poll::Pending,
            }
        }
    }

    /// Tells the producer that there is room, once there is enough for a turn.
    fn make_room(&self, mut state: MutexGuard<'_, State>) {
        let handoff = &self.handoff;
        let queued = state.queued;
        if !state.ahead.has_room(queued) {
            return;
        }
        let effect = state.producer.on(Event::RoomMade);
        drop(state);
        match effect {
            Effect::WakeWriter => handoff.taken.notify_one(),
            // There is some left to send meanwhile; when it is gone, `poll_data` hurries.
            Effect::ScheduleSoon => _ = handoff.schedule(Urgency::Soon),
            _ => {}
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let state = self.handoff.lock();
        state.queue.is_empty() && state.producer.is_complete()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let handoff = &self.handoff;
        let mut state = handoff.lock();
        let ended = state.producer.is_complete() && state.queue.is_empty();
        if let Some(cancelled) = &handoff.config.cancelled
            && !ended
        {
            cancelled.store(true, Ordering::Relaxed);
        }
        let effect = state.producer.on(Event::Dropped);
        // What was produced and not taken may run the application's destructors: its bytes may have an
        // owner (`Bytes::from_owner`), and a panic's payload is its own.
        let left = (mem::take(&mut state.queue), state.head.take());
        state.queued = 0;
        state.ahead.give_back(handoff.reserve());
        drop(state);
        discard((left, handoff.reader.take()));
        match effect {
            Effect::WakeWriter => handoff.taken.notify_one(),
            Effect::DropElsewhere { scheduled } => handoff.drop_source(scheduled),
            Effect::Discard(failed) => discard(failed),
            _ => {}
        }
    }
}

impl Handoff {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holding(&self) -> Holding {
        match self.writes {
            true => Holding::Writing,
            false if self.config.reads_client => Holding::Reading,
            false => Holding::Free,
        }
    }

    /// Copies `chunk` into a reused buffer if nothing else holds it, so that its memory is free at once.
    fn queueable(&self, chunk: Bytes) -> Bytes {
        if chunk.is_unique()
            && let Some(copy) = self.recycled(&chunk)
        {
            discard(chunk);
            return copy;
        }
        chunk
    }

    fn recycled(&self, piece: &[u8]) -> Option<Bytes> {
        self.config.pool.as_ref()?.pool().buffers().copy(piece)
    }

    /// The bytes to borrow from to be further ahead of the client. `None` where the high-water mark is set.
    fn reserve(&self) -> Option<&Reserve> {
        if self.config.high_water.is_none()
            && let Some(handle) = &self.config.pool
        {
            return Some(handle.pool().reserve());
        }
        None
    }

    /// Finds a thread for the source. `true` if this thread produced something itself.
    fn schedule(self: &Arc<Self>, urgency: Urgency) -> bool {
        if let Some(handle) = &self.config.pool {
            let (holding, origin) = (self.holding(), self.config.origin.clone());
            let work = Arc::clone(self);
            let submitted = handle.pool().submit(work, holding, origin, urgency);
            if submitted.is_ok() {
                return false;
            }
        }
        if !self.writes {
            self.produce(|| false);
            return true;
        }
        let handoff = Arc::clone(self);
        let thread = thread::Builder::new().name("body-writer".into());
        if let Err(error) = thread.spawn(move || _ = handoff.produce(|| false)) {
            let effect = self.lock().producer.on(Event::Begun);
            discard(effect);
            self.end(Some(BodyFailure::Error(error.into())));
            return true;
        }
        false
    }

    /// Calls a thread for a source that was scheduled as [`Urgency::Soon`].
    fn hurry(&self) {
        if let Some(handle) = &self.config.pool {
            handle.pool().hurry();
        }
    }

    /// Has a thread that may block drop the source: its pieces have no reader any more.
    fn drop_source(self: &Arc<Self>, scheduled: bool) {
        if let Some(handle) = &self.config.pool {
            let work: Work = Arc::clone(self) as Work;
            // A job that only drops needs no place for writers.
            let taken = scheduled && !handle.pool().remove(&work);
            if taken
                || handle
                    .pool()
                    .submit(work, Holding::Free, Origin::default(), Urgency::Now)
                    .is_ok()
            {
                return;
            }
            self.produce(|| false);
            return;
        }
        // A thread that was started for the source finds it abandoned, and drops it.
        if !scheduled {
            self.produce(|| false);
        }
    }

    /// Makes pieces until enough are queued, or until `gives_way` says that other jobs need the thread.
    pub(crate) fn produce(&self, gives_way: impl Fn() -> bool) -> Produced {
        let effect = self.lock().producer.on(Event::Begun);
        match effect {
            Effect::Produce(Source::Chunks(chunks)) => return self.iterate(chunks, gives_way),
            Effect::Produce(Source::Writing(write)) => self.write(write),
            Effect::Drop(source) => discard(source),
            _ => {}
        }
        Produced::enough(1)
    }

    fn iterate(&self, mut chunks: Chunks, gives_way: impl Fn() -> bool) -> Produced {
        let mut produced = 0;
        let mut steps = 0;
        let mut long = self.lock().is_long();
        loop {
            steps += 1;
            let end = match guard(|| chunks.next()) {
                Ok(Some(Ok(chunk))) if chunk.is_empty() => {
                    if self.lock().producer.is_abandoned() {
                        discard(chunks);
                        return Produced::enough(steps);
                    }
                    self.release_head();
                    continue;
                }
                Ok(Some(Ok(mut chunk))) => {
                    if long {
                        chunk = self.queueable(chunk);
                    }
                    let mut state = self.lock();
                    if state.producer.is_abandoned() {
                        drop(state);
                        discard((chunk, chunks));
                        return Produced::enough(steps);
                    }
                    produced += cost(&chunk);
                    state.push(chunk);
                    long = state.is_long();
                    let queued = state.queued;
                    let full = state.ahead.is_full(queued, self.reserve());
                    let gave_way = !full && produced >= TURN && gives_way();
                    if full || gave_way {
                        let source = Source::Chunks(chunks);
                        // The reader is there, so there is nothing to drop.
                        _ = state.producer.on(match gave_way {
                            true => Event::GaveWay(source),
                            false => Event::Filled(source),
                        });
                        self.notify(state);
                        return Produced { steps, gave_way };
                    }
                    self.notify(state);
                    continue;
                }
                Ok(Some(Err(error))) => Some(BodyFailure::Error(error)),
                Ok(None) => None,
                Err(caught) => Some(BodyFailure::Panic(caught)),
            };
            // Dropped before the reader sees the end: a server that has seen a body's end may count on its
            // `close()`. A panic in the drop is the body's failure, unless it has failed already.
            let end = match (guard(|| drop(chunks)), end) {
                (Err(caught), None) => Some(BodyFailure::Panic(caught)),
                (Err(caught), end) => {
                    discard(caught);
                    end
                }
                (Ok(()), end) => end,
            };
            self.end(end);
            return Produced::enough(steps);
        }
    }

    fn write(&self, write: Writing) {
        let end = match guard(|| write(&mut BodyWriter::handoff(self))) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(BodyFailure::Error(error)),
            Err(caught) => Some(BodyFailure::Panic(caught)),
        };
        self.end(end);
    }

    fn end(&self, failed: Option<BodyFailure>) {
        let mut state = self.lock();
        // The first piece would have released the head.
        let head = state.head.take();
        match (failed, head) {
            (Some(failed), Some(head)) => {
                _ = state.producer.on(Event::Ended(None));
                drop(state);
                head.replace(failed);
            }
            (failed, head) => {
                let effect = state.producer.on(Event::Ended(failed));
                state.head = head;
                self.notify(state);
                discard(effect);
            }
        }
    }

    /// Releases the head, and wakes the reader.
    fn notify(&self, mut state: MutexGuard<'_, State>) {
        let head = state.head.take();
        drop(state);
        if let Some(head) = head {
            head.release();
        }
        self.reader.wake();
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> io::Result<MutexGuard<'a, State>> {
        state.patience.begin(Instant::now());
        let room = loop {
            let Some(left) = state.patience.left(Instant::now()) else {
                _ = state.producer.on(Event::GaveUp);
                break Err(io::ErrorKind::TimedOut.into());
            };
            _ = state.producer.on(Event::FoundNoRoom);
            let waited = self.taken.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !state.producer.is_waiting() {
                break Ok(());
            }
        };
        state.patience.end(Instant::now());
        room.map(|()| state)
    }
}

/// Called on the writer's thread.
impl PieceSink for Handoff {
    fn copied(&self, written: &[u8]) -> Bytes {
        let recycled = self.recycled(written);
        recycled.unwrap_or_else(|| Bytes::copy_from_slice(written))
    }

    fn push(&self, piece: Bytes) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        let mut state = self.lock();
        let queued = state.queued;
        if state.ahead.is_full(queued, self.reserve()) {
            state = self.wait_for_room(state)?;
        }
        if state.producer.is_abandoned() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.push(piece);
        self.notify(state);
        Ok(())
    }

    fn release_head(&self) {
        let head = self.lock().head.take();
        if let Some(head) = head {
            head.release();
        }
    }
}

impl Run for Handoff {
    fn run(self: Arc<Self>, turn: &mut dyn Turn) {
        let produced = self.produce(|| turn.others_wait());
        turn.did(produced.steps);
        if produced.gave_way {
            // Behind the jobs that wait for the thread.
            self.schedule(Urgency::Soon);
        }
    }
}

/// The bytes that a piece counts for: a queue of single bytes must not use a hundred times its limit.
fn cost(piece: &Bytes) -> usize {
    const HANDLE: usize = 64;
    piece.len() + HANDLE
}
