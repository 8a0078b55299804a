//! Threads that may block: a queue of our own in front of the runtime's blocking pool.
//!
//! The runtime lends the threads (so its context is there, and its shutdown waits for what runs),
//! but not once per request: a thread that has done one piece of work takes the next from our
//! queue, and lingers a while when there is none. Under load most hand-overs then need no wake-up
//! at all, and wake-ups are what a hop costs (some 30,000 kernel instructions).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use panic_capture::{discard, guard};
use tokio::runtime::Handle;

use crate::handoff::Urgency;

/// How long a thread without work waits for some before it goes back to the runtime.
///
/// Also the longest that an idle service can delay the shutdown of a runtime it outlives.
const LINGER: Duration = Duration::from_millis(100);

/// How long a thread works for us before it queues again behind the runtime's other work: neither
/// may a runtime with few threads be monopolised, nor one that shuts down be kept by another's work.
const TENURE: Duration = Duration::from_millis(250);

/// How often a thread looks for work again, after everybody else's turn, before it sleeps. To be
/// put to sleep and woken costs as much as some dozens of looks.
const LOOKS: usize = 16;

/// How long a runtime's shutdown waits for what it left undone.
const LAST_WORK: Duration = Duration::from_secs(1);

/// What is done on a thread that may block.
pub(crate) trait Run: Send + Sync {
    /// Does it. Does not panic.
    fn run(self: Arc<Self>, turn: &mut Turn<'_>);
}

pub(crate) type Work = Arc<dyn Run>;

/// Whether the work may wait for a client while it has a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    Free,
    /// So many at most at a time.
    Held,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    pub(crate) held: usize,
}

pub(crate) struct Pool {
    limits: Limits,
    /// Copies of what `state` has, to be read without the lock: about right is enough.
    load: AtomicUsize,
    queued: AtomicUsize,
    contended: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// What waits for a place among those that may hold a thread.
    unheld: VecDeque<Work>,
    running: usize,
    held: usize,
    /// Threads that are ours at present, awake, idle or asked for.
    workers: usize,
    /// Those that were woken and have not come yet.
    called: usize,
    /// Those that the runtime was asked for and has not sent yet.
    spawned: usize,
    /// One that has just run out of work looks about before it sleeps.
    looking: bool,
    /// Last in, first out: the thread that is warm gets the work, the others go home.
    idle: Vec<Arc<Parker>>,
    waiters: BTreeMap<u64, Waker>,
    next_waiter: u64,
    closed: bool,
}

struct Job {
    work: Work,
    holding: Holding,
}

struct Parker {
    thread: Thread,
    called: AtomicBool,
}

impl Parker {
    fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl State {
    fn load(&self) -> usize {
        self.queue.len() + self.running
    }

    /// Lets the next in that waits to hold a thread, if there is a place.
    fn admit(&mut self, limits: Limits) {
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
enum Kick {
    Enough,
    Call(Arc<Parker>),
    Spawn,
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            load: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            contended: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down for those who do not lock what changed.
    fn publish(&self, state: &State) {
        self.load.store(state.load(), Ordering::Relaxed);
        self.queued.store(state.queue.len(), Ordering::Relaxed);
        self.contended
            .store(!state.unheld.is_empty(), Ordering::Relaxed);
    }

    /// Whether work waits for a thread.
    pub(crate) fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody waits for a place among those that hold a thread.
    pub(crate) fn is_contended(&self) -> bool {
        self.contended.load(Ordering::Relaxed)
    }

    /// Queues `work`. Gives it back when there is no thread and no runtime to lend one.
    pub(crate) fn submit(
        self: &Arc<Self>,
        work: Work,
        holding: Holding,
        urgency: Urgency,
    ) -> Result<(), Work> {
        let mut state = self.lock();
        if holding == Holding::Held {
            if state.held >= self.limits.held {
                state.unheld.push_back(work);
                self.publish(&state);
                return Ok(());
            }
            state.held += 1;
        }
        let job = Job {
            work: Arc::clone(&work),
            holding,
        };
        state.queue.push_back(job);
        let awake = state.workers.saturating_sub(state.idle.len());
        let kick = match urgency {
            Urgency::Soon if awake > 0 => Kick::Enough,
            _ => self.kick(&mut state, 0),
        };
        self.publish(&state);
        drop(state);
        if self.act(kick) {
            return Ok(());
        }
        // No thread could be had. Whoever else has one may have taken the work all the same.
        let mut state = self.lock();
        if state.workers == 0 && Self::remove_from(&mut state, self.limits, &work) {
            self.publish(&state);
            return Err(work);
        }
        Ok(())
    }

    /// Calls a thread for what was submitted as [`Urgency::Soon`] and is still queued.
    pub(crate) fn hurry(self: &Arc<Self>) {
        let mut state = self.lock();
        let kick = self.kick(&mut state, 0);
        drop(state);
        // Without another thread, those that are awake come to it in turn.
        self.act(kick);
    }

    /// Whom to call for what is queued, besides those who come anyway.
    fn kick(&self, state: &mut State, besides: usize) -> Kick {
        let coming = state.called + usize::from(state.looking) + besides;
        if coming >= state.queue.len() {
            return Kick::Enough;
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

    /// Whether that went well.
    fn act(self: &Arc<Self>, kick: Kick) -> bool {
        match kick {
            Kick::Enough => true,
            Kick::Call(parker) => {
                parker.call();
                true
            }
            Kick::Spawn => {
                let worker = Worker {
                    pool: Arc::clone(self),
                    came: false,
                };
                match Handle::try_current() {
                    Ok(runtime) => worker.spawn_on(&runtime),
                    Err(_) => {
                        worker.give_up();
                        false
                    }
                }
            }
        }
    }

    /// Takes `work` back out of the queues; `false` if a thread has it.
    pub(crate) fn remove(self: &Arc<Self>, work: &Work) -> bool {
        let mut state = self.lock();
        let removed = Self::remove_from(&mut state, self.limits, work);
        // One that may hold a thread now has not asked for it yet.
        let kick = self.kick(&mut state, 0);
        let woken = self.next_waiter(&mut state);
        self.publish(&state);
        drop(state);
        self.act(kick);
        wake(woken);
        removed
    }

    fn remove_from(state: &mut State, limits: Limits, work: &Work) -> bool {
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

    fn next_waiter(&self, state: &mut State) -> Option<Waker> {
        if state.load() < self.limits.threads {
            return state.waiters.pop_first().map(|(_, waker)| waker);
        }
        None
    }

    /// Nobody will submit any more: idle threads go home at once.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let idle = mem::take(&mut state.idle);
        state.called += idle.len();
        drop(state);
        for parker in idle {
            parker.call();
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("limits", &self.limits)
            .field("running", &state.running)
            .field("held", &state.held)
            .field("queued", &state.queue.len())
            .field("waiting_to_hold", &state.unheld.len())
            .field("workers", &state.workers)
            .finish_non_exhaustive()
    }
}

/// A thread's turn at one piece of work.
pub(crate) struct Turn<'a> {
    pool: &'a Arc<Pool>,
    holding: Holding,
}

impl Turn<'_> {
    /// Whether others wait for this thread.
    pub(crate) fn others_wait(&self) -> bool {
        self.pool.has_queue()
    }

    /// From here on the work waits for a client: `false` if too many do already.
    pub(crate) fn hold(&mut self) -> bool {
        if self.holding == Holding::Free {
            let mut state = self.pool.lock();
            if state.held >= self.pool.limits.held {
                return false;
            }
            state.held += 1;
            self.holding = Holding::Held;
        }
        true
    }
}

/// One thread of ours, or the intention to have one.
struct Worker {
    pool: Arc<Pool>,
    came: bool,
}

impl Worker {
    /// Whether the runtime took it: one that shuts down does not.
    fn spawn_on(mut self, runtime: &Handle) -> bool {
        let handle = runtime.spawn_blocking(move || {
            self.came = true;
            self.run(Some(Instant::now() + TENURE));
        });
        !handle.is_finished()
    }

    fn give_up(mut self) {
        self.came = true;
        let mut state = self.pool.lock();
        state.spawned -= 1;
        state.workers -= 1;
    }

    fn run(&self, until: Option<Instant>) {
        let pool = &self.pool;
        let parker = Arc::new(Parker {
            thread: thread::current(),
            called: AtomicBool::new(false),
        });
        let mut state = pool.lock();
        state.spawned -= 1;
        let mut looked = false;
        loop {
            if let Some(job) = state.queue.pop_front() {
                looked = false;
                state.running += 1;
                pool.publish(&state);
                drop(state);
                let mut turn = Turn {
                    pool,
                    holding: job.holding,
                };
                // It does not panic, and if it did the thread would be missing ever after.
                if let Err(caught) = guard(|| job.work.run(&mut turn)) {
                    discard(caught);
                }
                let holding = turn.holding;
                state = pool.lock();
                state.running -= 1;
                let mut kick = Kick::Enough;
                if holding == Holding::Held {
                    state.held -= 1;
                    state.admit(pool.limits);
                    // This thread takes one.
                    kick = pool.kick(&mut state, 1);
                }
                let woken = pool.next_waiter(&mut state);
                pool.publish(&state);
                if woken.is_some() || !matches!(kick, Kick::Enough) {
                    drop(state);
                    pool.act(kick);
                    wake(woken);
                    state = pool.lock();
                }
                if until.is_some_and(|until| Instant::now() >= until) {
                    break;
                }
                continue;
            }
            if state.closed || until.is_none() {
                state.workers -= 1;
                return;
            }
            if !looked && !mem::replace(&mut state.looking, true) {
                drop(state);
                for _ in 0..LOOKS {
                    thread::yield_now();
                    if pool.has_queue() {
                        break;
                    }
                }
                state = pool.lock();
                state.looking = false;
                looked = true;
                continue;
            }
            looked = false;
            state.idle.push(Arc::clone(&parker));
            drop(state);
            let called = parker.wait();
            state = pool.lock();
            let left = state.idle.iter().position(|it| Arc::ptr_eq(it, &parker));
            match left {
                Some(at) => _ = state.idle.remove(at),
                None => {
                    // Perhaps just when it gave up.
                    parker.called.store(false, Ordering::Relaxed);
                    state.called -= 1;
                }
            }
            if !called && state.queue.is_empty() {
                state.workers -= 1;
                return;
            }
        }
        // The tenure is over: to the end of the runtime's queue, as another worker.
        state.workers -= 1;
        let kick = pool.kick(&mut state, 0);
        drop(state);
        pool.act(kick);
    }
}

impl Parker {
    /// Whether somebody called; `false` after [`LINGER`].
    fn wait(&self) -> bool {
        let until = Instant::now() + LINGER;
        loop {
            if self.called.swap(false, Ordering::Acquire) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.came {
            return;
        }
        // The runtime shut down before a thread came. What is queued belongs to others, or is
        // somebody's iterator that has yet to be dropped.
        let mut state = self.pool.lock();
        if state.queue.is_empty() {
            state.spawned -= 1;
            state.workers -= 1;
            return;
        }
        if let Some(parker) = state.idle.pop() {
            state.spawned -= 1;
            state.workers -= 1;
            state.called += 1;
            drop(state);
            parker.call();
            return;
        }
        drop(state);
        let last = Self {
            pool: Arc::clone(&self.pool),
            came: true,
        };
        let (finished, wait) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("gateway-last-work".into());
        let spawned = thread.spawn(move || {
            last.run(None);
            drop(finished);
        });
        match spawned {
            // Not without limit: what is left may wait for a task of the very runtime that ends.
            Ok(_) => _ = wait.recv_timeout(LAST_WORK),
            Err(_) => {
                let mut state = self.pool.lock();
                state.spawned -= 1;
                state.workers -= 1;
            }
        }
    }
}
