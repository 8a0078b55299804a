//! The pool, as callers see it: each call is an event for the [`scheduler`](super::scheduler).

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use super::buffers::Buffers;
use super::parker::Parker;
use super::places::{Contended, Place};
use super::reserve::Reserve;
use super::scheduler::{self, Scheduler};
use super::work::{Holding, Limits, Origin, Same, Urgency, Work};

pub(super) type Event<'a> = scheduler::Event<'a, Work, Arc<Parker>, Waker>;
pub(super) type Actions = scheduler::Actions<Work, Arc<Parker>, Waker>;
type State = Scheduler<Work, Arc<Parker>, Waker>;

pub(crate) struct Pool {
    limits: Limits,
    /// Copies of what `state` has, to be read without the lock: about right is enough.
    load: AtomicUsize,
    queued: AtomicUsize,
    reading_contended: Arc<AtomicBool>,
    writing_contended: Arc<AtomicBool>,
    reserve: Reserve,
    buffers: Arc<Buffers>,
    state: Mutex<State>,
}

impl Same for Arc<Parker> {
    fn is_same(&self, other: &Self) -> bool {
        Self::ptr_eq(self, other)
    }
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        // Two at the least: one may block before the pace shows it.
        let crew = thread::available_parallelism().map_or(2, |n| n.get().max(2));
        Arc::new(Self {
            limits,
            load: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            reading_contended: Arc::default(),
            writing_contended: Arc::default(),
            reserve: Reserve::default(),
            buffers: Arc::default(),
            state: Mutex::new(Scheduler::new(limits, crew)),
        })
    }

    /// Takes a place for an upload of which no byte has come yet, for [`submit`](Self::submit).
    /// `false`: the upload has to wait for its first byte.
    pub(crate) fn take_early(self: &Arc<Self>, origin: &Origin) -> bool {
        let place = Place {
            holding: Holding::Early,
            origin: origin.clone(),
        };
        self.on(Event::TakePlace(&place)).granted
    }

    /// Queues `work`. Gives it back when there is no thread and no runtime to lend one. An
    /// [early](Holding::Early) place is taken already; any other is waited for.
    pub(crate) fn submit(
        self: &Arc<Self>,
        work: Work,
        holding: Holding,
        origin: Origin,
        urgency: Urgency,
    ) -> Result<(), Work> {
        let event = Event::Submit {
            work: Arc::clone(&work),
            place: Place { holding, origin },
            urgency,
        };
        // Where no thread could be spawned, one at work may have taken the job all the same.
        let helped = self.on(event).helped;
        match !helped && self.on(Event::Retract(&work)).granted {
            true => Err(work),
            false => Ok(()),
        }
    }

    /// Calls a thread for what was submitted as [`Urgency::Soon`] and is still queued.
    pub(crate) fn hurry(self: &Arc<Self>) {
        // Where no thread can be spawned, those that are awake come to it in turn.
        self.on(Event::Hurry);
    }

    /// Takes `work` back out of the queues; `false` if a thread has it.
    pub(crate) fn remove(self: &Arc<Self>, work: &Work) -> bool {
        self.on(Event::Cancel(work)).granted
    }

    /// No more work will be submitted: idle threads go back to the runtime at once.
    pub(crate) fn close(self: &Arc<Self>) {
        self.on(Event::Close);
    }

    /// Whether another call would find a thread; if not, `waker` is woken when it may.
    pub(crate) fn poll_room(self: &Arc<Self>, ticket: &mut Option<u64>, waker: &Waker) -> bool {
        let event = Event::AskRoom {
            ticket: *ticket,
            waker: waker.clone(),
        };
        let done = self.on(event);
        *ticket = done.ticket;
        done.granted
    }

    /// Does not wait for room any more. If the caller was woken for it, the next is.
    pub(crate) fn leave_room(self: &Arc<Self>, ticket: u64) {
        self.on(Event::LeaveRoom { ticket });
    }

    /// Whether another call would find a thread, without asking anything of the lock.
    pub(crate) fn has_room(&self) -> bool {
        self.load.load(Ordering::Relaxed) < self.limits.threads
    }

    /// Whether work waits for a thread.
    pub(crate) fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// Jobs that run, that wait for a thread, that have a place to wait for a client, and that wait for one; all of one moment.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let state = self.lock();
        let queued = state.queued();
        let (held, waiting) = state.held();
        [state.load() - queued, queued, held, waiting]
    }

    /// What the bodies that are produced here can be further ahead of their clients.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// What the pieces of those bodies are copied to.
    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// Set while jobs wait for a place to wait for clients that send.
    pub(crate) fn reading_contended(&self) -> &Arc<AtomicBool> {
        &self.reading_contended
    }

    /// Set while jobs wait for a place to wait for clients that take.
    pub(crate) fn writing_contended(&self) -> &Arc<AtomicBool> {
        &self.writing_contended
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what changed to the atomics, for readers without the lock.
    pub(super) fn publish(&self, state: &State) {
        self.load.store(state.load(), Ordering::Relaxed);
        self.queued.store(state.queued(), Ordering::Relaxed);
        let Contended { reading, writing } = state.contended();
        self.reading_contended.store(reading, Ordering::Relaxed);
        self.writing_contended.store(writing, Ordering::Relaxed);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pool = f.debug_struct("Pool");
        self.lock().describe(&mut pool);
        pool.finish_non_exhaustive()
    }
}
