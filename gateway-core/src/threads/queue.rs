//! Threads that may block: a queue of our own in front of the runtime's blocking pool.
//!
//! The runtime lends the threads (so its context is there, and its shutdown waits for what runs),
//! but not once per request: a thread that has done one piece of work takes the next from our
//! queue, and lingers a while when there is none. Under load most hand-overs then need no wake-up
//! at all, and wake-ups are what a hop costs (some 30,000 kernel instructions).
//!
//! While work is quick, a thread for each processor is enough: the *crew*. As long as somebody
//! watches that it gets on, no more are called for what is queued; see [`pace`](super::pace).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use tokio::runtime::Handle;

use super::buffers::Buffers;
use super::pace::{Pace, Running};
use super::reserve::Reserve;
use super::work::{Holding, Limits, Urgency, Work};
use super::workers::{Parker, Worker};

pub(crate) struct Pool {
    pub(super) limits: Limits,
    /// How many threads are enough for quick work.
    pub(super) crew: usize,
    /// Copies of what `state` has, to be read without the lock: about right is enough.
    pub(super) load: AtomicUsize,
    pub(super) queued: AtomicUsize,
    pub(super) contended: AtomicBool,
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
            contended: AtomicBool::new(false),
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
        let kick = match urgency {
            Urgency::Soon if state.at_work() > 0 => Kick::Enough,
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

    /// Whether that went well.
    pub(super) fn act(self: &Arc<Self>, kick: Kick) -> bool {
        match kick {
            Kick::Enough => true,
            Kick::Call(parker) => {
                parker.call();
                true
            }
            Kick::Spawn => {
                let worker = Worker::new(Arc::clone(self));
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

    pub(super) fn next_waiter(&self, state: &mut State) -> Option<Waker> {
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

/// A thread's turn at one piece of work.
pub(crate) struct Turn<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) holding: Holding,
    pub(super) steps: usize,
}

impl Turn<'_> {
    /// Whether others wait for this thread.
    pub(crate) fn others_wait(&self) -> bool {
        self.pool.has_queue()
    }

    /// The work called the application so often.
    pub(crate) fn did(&mut self, steps: usize) {
        self.steps += steps;
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
