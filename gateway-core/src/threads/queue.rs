//! What is queued, who is at work, and who is to be called: decided under one lock, done by others.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use super::buffers::Buffers;
use super::pace::{Pace, Running};
use super::parker::Parker;
use super::reserve::Reserve;
use super::work::{Holding, Limits, Work};

pub(crate) struct Pool {
    pub(super) limits: Limits,
    /// How many threads are enough for quick work.
    pub(super) crew: usize,
    /// Copies of what `state` has, to be read without the lock: about right is enough.
    pub(super) load: AtomicUsize,
    pub(super) queued: AtomicUsize,
    pub(super) contended: Arc<AtomicBool>,
    reserve: Reserve,
    pub(super) buffers: Arc<Buffers>,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) queue: VecDeque<Job>,
    /// What waits for a place among those that may hold a thread.
    pub(super) unheld: VecDeque<Work>,
    pub(super) running: Running,
    pub(super) pace: Pace,
    pub(super) held: usize,
    /// Threads that are ours at present, awake, idle or asked for.
    pub(super) workers: usize,
    /// Those that were woken and have not come yet.
    pub(super) called: usize,
    /// Those that the runtime was asked for and has not sent yet.
    pub(super) spawned: usize,
    /// One that has just run out of work looks about before it sleeps.
    pub(super) looking: bool,
    /// An idle one looks every now and then whether the others get on.
    pub(super) watched: bool,
    /// Last in, first out: the thread that is warm gets the work, the others go home.
    pub(super) idle: Vec<Arc<Parker>>,
    pub(super) waiters: BTreeMap<u64, Waker>,
    pub(super) next_waiter: u64,
    pub(super) closed: bool,
}

pub(super) struct Job {
    pub(super) work: Work,
    pub(super) holding: Holding,
}

impl State {
    fn load(&self) -> usize {
        self.queue.len() + self.running.all()
    }

    /// The threads that will soon come to what is queued, as it seems.
    pub(super) fn at_work(&self) -> usize {
        let away = self.idle.len() + self.running.old();
        self.workers.saturating_sub(away)
    }

    /// Lets the next in that waits to hold a thread, if there is a place.
    pub(super) fn admit(&mut self, limits: Limits) {
        while self.held < limits.held
            && let Some(work) = self.unheld.pop_front()
        {
            self.held += 1;
            self.queue.push_back(Job {
                work,
                holding: Holding::Held,
            });
        }
    }
}

/// What is to be done once the lock is released.
pub(super) enum Kick {
    Enough,
    Call(Arc<Parker>),
    Spawn,
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        // Two at the least: one may block before anybody knows.
        let crew = thread::available_parallelism().map_or(2, |n| n.get().max(2));
        Arc::new(Self {
            limits,
            crew,
            load: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            contended: Arc::default(),
            reserve: Reserve::default(),
            buffers: Arc::default(),
            state: Mutex::default(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down for those who do not lock what changed.
    pub(super) fn publish(&self, state: &State) {
        self.load.store(state.load(), Ordering::Relaxed);
        self.queued.store(state.queue.len(), Ordering::Relaxed);
        self.contended
            .store(!state.unheld.is_empty(), Ordering::Relaxed);
    }

    /// What the bodies that are produced here can be further ahead of their clients.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// What their pieces are copied to.
    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// Whether work waits for a thread.
    pub(crate) fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// Set while work waits for a place among those that hold a thread.
    pub(crate) fn contention(&self) -> &Arc<AtomicBool> {
        &self.contended
    }

    /// Whom to call for what is queued, besides those who come anyway.
    pub(super) fn kick(&self, state: &mut State, besides: usize) -> Kick {
        let coming = state.called + usize::from(state.looking) + besides;
        if coming >= state.queue.len() {
            return Kick::Enough;
        }
        if self.is_enough(state) {
            // One more, to watch that this be true.
            let one_comes = state.called > 0 || (state.idle.is_empty() && state.spawned > 0);
            if state.watched || one_comes {
                return Kick::Enough;
            }
        }
        // Before those that were spawned: a busy runtime may send them late.
        if let Some(parker) = state.idle.pop() {
            state.called += 1;
            return Kick::Call(parker);
        }
        if coming + state.spawned < state.queue.len() && state.workers < self.limits.threads {
            state.spawned += 1;
            state.workers += 1;
            return Kick::Spawn;
        }
        Kick::Enough
    }

    /// Whether those at work do what is queued as well as more of them would.
    fn is_enough(&self, state: &State) -> bool {
        state.pace.is_quick() && state.at_work() >= self.crew
    }

    pub(super) fn remove_from(state: &mut State, limits: Limits, work: &Work) -> bool {
        let is_it = |other: &Work| Arc::ptr_eq(other, work);
        if let Some(at) = state.queue.iter().rposition(|job| is_it(&job.work)) {
            if let Some(job) = state.queue.remove(at)
                && job.holding == Holding::Held
            {
                state.held -= 1;
                state.admit(limits);
            }
            return true;
        }
        let at = state.unheld.iter().rposition(is_it);
        at.is_some_and(|at| state.unheld.remove(at).is_some())
    }

    /// Whether another call would find a thread, without asking anything of the lock.
    pub(crate) fn has_room(&self) -> bool {
        self.load.load(Ordering::Relaxed) < self.limits.threads
    }

    /// Whether another call would find a thread; if not, `waker` is woken when it may.
    pub(crate) fn poll_room(&self, waiter: &mut Option<u64>, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.load() < self.limits.threads {
            if let Some(ticket) = waiter.take() {
                state.waiters.remove(&ticket);
            }
            // Whoever was let in may not need a thread yet: then the next can have it.
            let woken = self.next_waiter(&mut state);
            drop(state);
            wake(woken);
            return true;
        }
        let ticket = *waiter.get_or_insert_with(|| {
            state.next_waiter += 1;
            state.next_waiter
        });
        state.waiters.insert(ticket, waker.clone());
        false
    }

    /// Forgets a waiter. If it was the one that was woken, the next is.
    pub(crate) fn leave(&self, waiter: u64) {
        let mut state = self.lock();
        state.waiters.remove(&waiter);
        let woken = self.next_waiter(&mut state);
        drop(state);
        wake(woken);
    }

    pub(super) fn next_waiter(&self, state: &mut State) -> Option<Waker> {
        if state.load() < self.limits.threads {
            return state.waiters.pop_first().map(|(_, waker)| waker);
        }
        None
    }
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("limits", &self.limits)
            .field("running", &state.running.all())
            .field("held", &state.held)
            .field("queued", &state.queue.len())
            .field("waiting_to_hold", &state.unheld.len())
            .field("workers", &state.workers)
            .finish_non_exhaustive()
    }
}
