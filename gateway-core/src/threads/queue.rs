//! What is queued, which threads work, and which are to be called: decided under one lock, acted on after
//! it is released.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use super::buffers::Buffers;
use super::pace::{Pace, Running};
use super::parker::Parker;
use super::places::{Contended, Place, Places};
use super::reserve::Reserve;
use super::work::{Limits, Work};

pub(crate) struct Pool {
    pub(super) limits: Limits,
    /// How many threads are enough for quick work.
    pub(super) crew: usize,
    /// Copies of what `state` has, to be read without the lock: about right is enough.
    pub(super) load: AtomicUsize,
    pub(super) queued: AtomicUsize,
    pub(super) reading_contended: Arc<AtomicBool>,
    pub(super) writing_contended: Arc<AtomicBool>,
    reserve: Reserve,
    pub(super) buffers: Arc<Buffers>,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) queue: VecDeque<Job>,
    /// For what may wait for a client while it has a thread.
    pub(super) places: Places,
    pub(super) running: Running,
    pub(super) pace: Pace,
    /// Threads that are ours at present, awake, idle or asked for.
    pub(super) workers: usize,
    /// Those that were woken and have not come yet.
    pub(super) called: usize,
    /// Those that the runtime was asked for and has not sent yet.
    pub(super) spawned: usize,
    /// A thread has just run out of work, and looks for more before it sleeps.
    pub(super) looking: bool,
    /// An idle thread checks every now and then that the others make progress.
    pub(super) watched: bool,
    /// Last in, first out: the thread that is warm gets the work, the others go home.
    pub(super) idle: Vec<Arc<Parker>>,
    /// What would submit work, and waits for room to do so.
    pub(super) waiters: BTreeMap<u64, Waker>,
    pub(super) last_waiter: u64,
    /// How many of those came that were woken.
    pub(super) came: u64,
    /// What `came` was when the timer was set, which wakes others in place of those that do not.
    pub(super) timer: Option<u64>,
    pub(super) closed: bool,
}

pub(super) struct Job {
    pub(super) work: Work,
    pub(super) place: Place,
}

impl State {
    fn new(limits: Limits) -> Self {
        Self {
            queue: VecDeque::new(),
            places: Places::new(limits),
            running: Running::default(),
            pace: Pace::default(),
            workers: 0,
            called: 0,
            spawned: 0,
            looking: false,
            watched: false,
            idle: Vec::new(),
            waiters: BTreeMap::new(),
            last_waiter: 0,
            came: 0,
            timer: None,
            closed: false,
        }
    }

    fn load(&self) -> usize {
        self.queue.len() + self.running.all()
    }

    /// The threads that will soon come to what is queued, as it seems.
    pub(super) fn at_work(&self) -> usize {
        let away = self.idle.len() + self.running.old();
        self.workers.saturating_sub(away)
    }

    /// Has the place back, and queues those that waited for it.
    pub(super) fn give_back(&mut self, place: &Place) {
        self.places.give_back(place);
        while let Some((work, place)) = self.places.admit() {
            self.queue.push_back(Job { work, place });
        }
    }

    /// Takes `work` back out; `false` if a thread has it.
    pub(super) fn remove(&mut self, work: &Work) -> bool {
        let is_it = |job: &Job| Arc::ptr_eq(&job.work, work);
        let Some(at) = self.queue.iter().rposition(is_it) else {
            return self.places.forget(work);
        };
        if let Some(job) = self.queue.remove(at) {
            self.give_back(&job.place);
        }
        true
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
        // Two at the least: one may block before the pace shows it.
        let crew = thread::available_parallelism().map_or(2, |n| n.get().max(2));
        Arc::new(Self {
            limits,
            crew,
            load: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            reading_contended: Arc::default(),
            writing_contended: Arc::default(),
            reserve: Reserve::default(),
            buffers: Arc::default(),
            state: Mutex::new(State::new(limits)),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what changed to the atomics, for readers without the lock.
    pub(super) fn publish(&self, state: &State) {
        self.load.store(state.load(), Ordering::Relaxed);
        self.queued.store(state.queue.len(), Ordering::Relaxed);
        let Contended { reading, writing } = state.places.contended();
        self.reading_contended.store(reading, Ordering::Relaxed);
        self.writing_contended.store(writing, Ordering::Relaxed);
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

    /// Set while others wait for a place to wait for clients that send.
    pub(crate) fn reading_contended(&self) -> &Arc<AtomicBool> {
        &self.reading_contended
    }

    /// Set while others wait for a place to wait for clients that take.
    pub(crate) fn writing_contended(&self) -> &Arc<AtomicBool> {
        &self.writing_contended
    }

    /// Which thread to call for what is queued, besides the threads that come anyway.
    pub(super) fn kick(&self, state: &mut State, besides: usize) -> Kick {
        let coming = state.called + usize::from(state.looking) + besides;
        if coming >= state.queue.len() {
            return Kick::Enough;
        }
        if self.is_enough(state) {
            // One more, to watch whether that stays true.
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

    /// Whether another call would find a thread, without asking anything of the lock.
    pub(crate) fn has_room(&self) -> bool {
        self.load.load(Ordering::Relaxed) < self.limits.threads
    }

    pub(super) fn has_room_in(&self, state: &State) -> bool {
        state.load() < self.limits.threads
    }

    /// Which waiter to wake, if there is room: to be called whenever there may be more of it.
    pub(super) fn next_waiter(&self, state: &mut State) -> Next {
        if !self.has_room_in(state) {
            return Next::default();
        }
        let waker = state.waiters.pop_first().map(|(_, waker)| waker);
        // A woken waiter may never come: its connection may have no request left, and keep its clone
        // of the service. The others must not wait for it.
        let set_timer = !state.waiters.is_empty() && state.timer.is_none();
        if set_timer {
            state.timer = Some(state.came);
        }
        Next { waker, set_timer }
    }
}

/// Which waiter to wake once the lock is released.
#[derive(Default)]
#[must_use]
pub(super) struct Next {
    pub(super) waker: Option<Waker>,
    pub(super) set_timer: bool,
}

impl Next {
    pub(super) fn is_some(&self) -> bool {
        self.waker.is_some() || self.set_timer
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("limits", &self.limits)
            .field("running", &state.running.all())
            .field("held", &state.places.taken())
            .field("queued", &state.queue.len())
            .field("waiting_to_hold", &state.places.waiting())
            .field("workers", &state.workers)
            .finish_non_exhaustive()
    }
}
