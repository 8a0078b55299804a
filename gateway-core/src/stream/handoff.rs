//! Pieces of a body from a thread that may block to a task that polls.
//!
//! One bounded queue for both kinds of producer. An iterator is *parked* when the queue is full:
//! its thread goes away, and one comes back when there is room. A writer cannot be parked in the
//! middle of a `write`: it waits, and so holds its thread.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use panic_capture::{discard, guard};

use super::ahead::{Ahead, HIGH_WATER};
use super::ending::Failed;
use super::patience::{MINIMUM_RATE, Patience, STALL};
use super::source::{Chunks, Source, Writing};
use super::writer::{BodyWriter, Pieces};
use crate::threads::lend::Lender;
use crate::threads::reserve::Reserve;
use crate::threads::work::{Holding, Origin, Run, Turn, Urgency, Work};

/// How much is produced in one go while others wait for the thread.
const TURN: usize = 256 * 1024;

/// The body's half.
pub(crate) struct Handed {
    handoff: Arc<Handoff>,
}

/// What both halves share.
pub(crate) struct Handoff {
    state: Mutex<State>,
    taken: Condvar,
    terms: Terms,
}

/// How a body is handed over.
#[derive(Default)]
pub(crate) struct Terms {
    /// Where the threads come from. `None`: threads of their own.
    pub(crate) threads: Option<Lender>,
    /// How much waits for the client at most. `None`: [`HIGH_WATER`], and what can be borrowed.
    pub(crate) high_water: Option<usize>,
    pub(crate) patience: Patience,
    /// Where the client is.
    pub(crate) origin: Origin,
    /// An iterator that reads from the client waits for it, too.
    pub(crate) reads_client: bool,
    /// Set when the body is dropped before its end.
    pub(crate) cancelled: Option<Arc<AtomicBool>>,
}

impl Terms {
    /// For a body that is polled without an adapter.
    pub(crate) fn wherever_polled() -> Self {
        match Lender::shared() {
            Some(threads) => Self {
                patience: Patience::new(STALL)
                    .with_rate(MINIMUM_RATE)
                    .among(threads.pool().writing_contended()),
                threads: Some(threads),
                ..Self::default()
            },
            None => Self::default(),
        }
    }
}

/// Holds a response's head back until its body has begun.
pub(crate) trait Opens: Send + Sync {
    fn open(&self);

    /// The body failed before it began: there need be no such response.
    fn fail(&self, failed: Failed);
}

struct State {
    queue: VecDeque<Bytes>,
    queued: usize,
    /// How much was queued so far.
    made: usize,
    ahead: Ahead,
    /// Of a writer.
    patience: Patience,
    /// There unless a thread has it.
    source: Option<Source>,
    /// A thread was asked for, or is there.
    scheduled: bool,
    /// A writer waits for room.
    full: bool,
    end: Option<End>,
    abandoned: bool,
    /// The reader has found the queue empty, and looked again after everybody else's turn.
    yielded: bool,
    reader: Option<Waker>,
    /// Told once, by the first piece, the end, or a `flush` before either.
    head: Option<Arc<dyn Opens>>,
}

impl State {
    fn push(&mut self, piece: Bytes) {
        self.queued += cost(&piece);
        self.made = self.made.saturating_add(cost(&piece));
        self.queue.push_back(piece);
    }

    /// Whether it is worth while to have buffers for it that are used again.
    fn is_long(&self) -> bool {
        self.made >= HIGH_WATER
    }
}

enum End {
    Complete,
    Failed(Failed),
}

/// What became of a producer's turn.
pub(crate) struct Produced {
    /// How often the application's code was called.
    steps: usize,
    /// Others wait for the thread, and the client could take more. If not, the producer is parked,
    /// or at its end.
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

impl Handed {
    pub(crate) fn new(source: Source, terms: Terms) -> Self {
        let state = State {
            queue: VecDeque::new(),
            queued: 0,
            made: 0,
            ahead: Ahead::new(terms.high_water.unwrap_or(HIGH_WATER)),
            patience: terms.patience.clone(),
            source: Some(source),
            scheduled: false,
            full: false,
            end: None,
            abandoned: false,
            yielded: false,
            reader: None,
            head: None,
        };
        Self {
            handoff: Arc::new(Handoff {
                state: Mutex::new(state),
                taken: Condvar::new(),
                terms,
            }),
        }
    }

    /// Whether producing may wait for the client.
    pub(crate) fn holding(&self) -> (Holding, &Origin) {
        let state = self.handoff.lock();
        let writes = matches!(state.source, Some(Source::Writing(_)));
        drop(state);
        (self.handoff.holding(writes), &self.handoff.terms.origin)
    }

    /// The producer's half, for a thread that goes on with it at once. `head` is told when the
    /// body has begun.
    pub(crate) fn begin(&self, head: Arc<dyn Opens>) -> Arc<Handoff> {
        let mut state = self.handoff.lock();
        state.scheduled = true;
        state.head = Some(head);
        drop(state);
        Arc::clone(&self.handoff)
    }

    pub(crate) fn poll_data(&self, context: &Context<'_>) -> Poll<Option<Result<Bytes, Failed>>> {
        // A waker is cloned and dropped without the lock: both run code of the task's.
        let mut fresh = None;
        loop {
            let mut state = self.handoff.lock();
            if let Some(piece) = state.queue.pop_front() {
                state.queued -= cost(&piece);
                state.patience.moved(piece.len(), Instant::now);
                state.yielded = false;
                self.make_room(state);
                return Poll::Ready(Some(Ok(piece)));
            }
            state.ahead.give_back(self.handoff.reserve());
            match state.end.take() {
                Some(End::Complete) => {
                    state.end = Some(End::Complete);
                    return Poll::Ready(None);
                }
                Some(End::Failed(failed)) => {
                    state.end = Some(End::Complete);
                    return Poll::Ready(Some(Err(failed)));
                }
                None => {}
            }
            let waker = context.waker();
            if state.scheduled && !mem::replace(&mut state.yielded, true) {
                // Everybody else whose turn it is may go first; perhaps there is more by then.
                drop(state);
                waker.wake_by_ref();
                return Poll::Pending;
            }
            let mut before = None;
            if !state.reader.as_ref().is_some_and(|it| it.will_wake(waker)) {
                let Some(fresh) = fresh.take() else {
                    drop(state);
                    fresh = Some(waker.clone());
                    continue;
                };
                before = state.reader.replace(fresh);
            }
            let waits = state.scheduled && state.source.is_some();
            let idle = !mem::replace(&mut state.scheduled, true);
            drop(state);
            drop(before);
            if waits {
                self.handoff.hurry();
            }
            if !idle || !self.handoff.schedule(Urgency::Now) {
                return Poll::Pending;
            }
            // Produced here, where no runtime runs.
        }
    }

    /// Lets the producer know that there is room, once it is worth its while.
    fn make_room(&self, mut state: MutexGuard<'_, State>) {
        let handoff = &self.handoff;
        let queued = state.queued;
        if !state.ahead.has_room(queued) {
            return;
        }
        if mem::take(&mut state.full) {
            drop(state);
            handoff.taken.notify_one();
            return;
        }
        if matches!(state.source, Some(Source::Chunks(_))) && !state.scheduled {
            state.scheduled = true;
            drop(state);
            // There is some left to send meanwhile; when it is gone, `poll_data` hurries.
            handoff.schedule(Urgency::Soon);
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let state = self.handoff.lock();
        state.queue.is_empty() && matches!(state.end, Some(End::Complete))
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let handoff = &self.handoff;
        let mut state = handoff.lock();
        state.abandoned = true;
        let ended = matches!(state.end, Some(End::Complete)) && state.queue.is_empty();
        if let Some(cancelled) = &handoff.terms.cancelled
            && !ended
        {
            cancelled.store(true, Ordering::Relaxed);
        }
        // What was produced and not taken may run the application's destructors: its bytes may have an
        // owner (`Bytes::from_owner`), and a panic's payload is its own.
        let left = (
            mem::take(&mut state.queue),
            state.end.take(),
            state.reader.take(),
            state.head.take(),
        );
        state.end = Some(End::Complete);
        state.queued = 0;
        state.ahead.give_back(handoff.reserve());
        let (source, scheduled) = (state.source.is_some(), state.scheduled);
        state.scheduled |= source;
        drop(state);
        handoff.taken.notify_one();
        discard(left);
        if source {
            handoff.let_go(scheduled);
        }
    }
}

impl Handoff {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holding(&self, writes: bool) -> Holding {
        match writes {
            true => Holding::Writing,
            false if self.terms.reads_client => Holding::Reading,
            false => Holding::Free,
        }
    }

    /// `chunk` as it is queued: if nothing else holds it, its memory is free again at once.
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
        self.terms.threads.as_ref()?.pool().buffers().copy(piece)
    }

    /// What can be borrowed to be further ahead of the client.
    fn reserve(&self) -> Option<&Reserve> {
        if self.terms.high_water.is_none()
            && let Some(threads) = &self.terms.threads
        {
            return Some(threads.pool().reserve());
        }
        None
    }

    /// Finds a thread for the source. `true` if that was this one, and something was produced.
    fn schedule(self: &Arc<Self>, urgency: Urgency) -> bool {
        let writes = matches!(self.lock().source, Some(Source::Writing(_)));
        if let Some(threads) = &self.terms.threads {
            let (holding, origin) = (self.holding(writes), self.terms.origin.clone());
            let work = Arc::clone(self);
            let submitted = threads.pool().submit(work, holding, origin, urgency);
            if submitted.is_ok() {
                return false;
            }
        }
        if !writes {
            self.produce(|| false);
            return true;
        }
        let handoff = Arc::clone(self);
        let thread = thread::Builder::new().name("body-writer".into());
        if let Err(error) = thread.spawn(move || _ = handoff.produce(|| false)) {
            let source = self.lock().source.take();
            discard(source);
            self.end(End::Failed(Failed::Error(error.into())));
            return true;
        }
        false
    }

    /// Calls a thread for what was scheduled as [`Urgency::Soon`].
    fn hurry(&self) {
        if let Some(threads) = &self.terms.threads {
            threads.pool().hurry();
        }
    }

    /// Has a thread that may block drop the source, since its pieces have no reader any more.
    fn let_go(self: &Arc<Self>, scheduled: bool) {
        if let Some(threads) = &self.terms.threads {
            let work: Work = Arc::clone(self) as Work;
            // To be dropped it need not wait for a place to write from.
            let taken = scheduled && !threads.pool().remove(&work);
            if taken
                || threads
                    .pool()
                    .submit(work, Holding::Free, Origin::default(), Urgency::Now)
                    .is_ok()
            {
                return;
            }
            self.produce(|| false);
            return;
        }
        // A thread that was started for it finds out by itself.
        if !scheduled {
            self.produce(|| false);
        }
    }

    /// Makes pieces until there are enough, or until `gives_way` says that others need the thread.
    pub(crate) fn produce(&self, gives_way: impl Fn() -> bool) -> Produced {
        let mut state = self.lock();
        let source = state.source.take();
        let abandoned = state.abandoned;
        drop(state);
        match source {
            Some(source) if abandoned => discard(source),
            Some(Source::Chunks(chunks)) => return self.iterate(chunks, gives_way),
            Some(Source::Writing(write)) => self.write(write),
            None => {}
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
                    if self.lock().abandoned {
                        discard(chunks);
                        return Produced::enough(steps);
                    }
                    self.let_head_go();
                    continue;
                }
                Ok(Some(Ok(mut chunk))) => {
                    if long {
                        chunk = self.queueable(chunk);
                    }
                    let mut state = self.lock();
                    if state.abandoned {
                        drop(state);
                        discard((chunk, chunks));
                        return Produced::enough(steps);
                    }
                    produced += cost(&chunk);
                    state.push(chunk);
                    long = state.is_long();
                    let queued = state.queued;
                    let full = state.ahead.is_full(queued, self.reserve());
                    let away = !full && produced >= TURN && gives_way();
                    if full || away {
                        state.source = Some(Source::Chunks(chunks));
                        state.scheduled = away;
                        tell(state);
                        return Produced {
                            steps,
                            gave_way: away,
                        };
                    }
                    tell(state);
                    continue;
                }
                Ok(Some(Err(error))) => End::Failed(Failed::Error(error)),
                Ok(None) => End::Complete,
                Err(caught) => End::Failed(Failed::Panic(caught)),
            };
            // Before the end is told: a server that has seen a body's end may count on its `close()`.
            // A panic in it must not go unseen, unless there is something worse to say.
            let end = match (guard(|| drop(chunks)), end) {
                (Err(caught), End::Complete) => End::Failed(Failed::Panic(caught)),
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
            Ok(Ok(())) => End::Complete,
            Ok(Err(error)) => End::Failed(Failed::Error(error)),
            Err(caught) => End::Failed(Failed::Panic(caught)),
        };
        self.end(end);
    }

    fn end(&self, end: End) {
        let mut state = self.lock();
        if state.abandoned {
            drop(state);
            discard(end);
            return;
        }
        // The first piece would have taken it.
        match (end, state.head.take()) {
            (End::Failed(failed), Some(head)) => {
                state.end = Some(End::Complete);
                drop(state);
                head.fail(failed);
            }
            (end, head) => {
                state.end = Some(end);
                state.head = head;
                tell(state);
            }
        }
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> io::Result<MutexGuard<'a, State>> {
        state.patience.begin(Instant::now());
        let room = loop {
            let Some(left) = state.patience.left(Instant::now()) else {
                state.full = false;
                break Err(io::ErrorKind::TimedOut.into());
            };
            state.full = true;
            let waited = self.taken.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.abandoned || !state.full {
                break Ok(());
            }
        };
        state.patience.end(Instant::now());
        room.map(|()| state)
    }
}

/// From the writer's thread.
impl Pieces for Handoff {
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
        if state.abandoned {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.push(piece);
        tell(state);
        Ok(())
    }

    fn let_head_go(&self) {
        let head = self.lock().head.take();
        if let Some(head) = head {
            head.open();
        }
    }
}

impl Run for Handoff {
    fn run(self: Arc<Self>, turn: &mut dyn Turn) {
        let produced = self.produce(|| turn.others_wait());
        turn.did(produced.steps);
        if produced.gave_way {
            // The work that waits for the thread is before it in the queue.
            self.schedule(Urgency::Soon);
        }
    }
}

/// Lets those know who wait for the first piece, or for the next.
fn tell(mut state: MutexGuard<'_, State>) {
    let (head, reader) = (state.head.take(), state.reader.take());
    drop(state);
    if let Some(head) = head {
        head.open();
    }
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// What a piece takes up: a queue of single bytes must not cost a hundred times what it says.
fn cost(piece: &Bytes) -> usize {
    const HANDLE: usize = 64;
    piece.len() + HANDLE
}
