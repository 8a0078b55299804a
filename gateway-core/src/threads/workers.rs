//! The life of a thread: work, a look about, rest, and home.

use std::mem;
use std::sync::{Arc, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use panic_capture::{discard, guard};

use super::parker::Parker;
use super::places::Place;
use super::queue::{Job, Kick, Pool, State};
use super::runtime::Runtime;
use super::work::{Holding, Origin, Turn, Urgency, Work};

/// How long a thread without work waits for some before it goes back to the runtime.
///
/// Also the longest that an idle service can delay the shutdown of a runtime it outlives.
const LINGER: Duration = Duration::from_millis(100);

/// How long a thread works for us before it queues again behind the runtime's other work: neither
/// may a runtime with few threads be monopolised, nor one that shuts down be kept by another's work.
const TENURE: Duration = Duration::from_millis(250);

/// How often the watching thread checks that the others make progress. When work suddenly blocks, what is
/// queued behind it waits one or two of these periods for another thread.
const WATCH: Duration = Duration::from_millis(1);

/// How often a thread looks for work again, after all other threads had a turn, before it sleeps. To be
/// put to sleep and woken costs as much as some dozens of looks.
const LOOKS: usize = 16;

/// How long a runtime's shutdown waits for what it left undone.
const LAST_WORK: Duration = Duration::from_secs(1);

impl Pool {
    /// Takes a place for an upload of which nothing has come yet, for [`submit`](Self::submit).
    /// `false`: it has to wait until something has.
    pub(crate) fn take_early(&self, origin: &Origin) -> bool {
        let place = Place {
            holding: Holding::Early,
            origin: origin.clone(),
        };
        self.lock().places.take(&place)
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
        let place = Place { holding, origin };
        let mut state = self.lock();
        if holding != Holding::Early && !state.places.take(&place) {
            state.places.wait(work, place);
            self.publish(&state);
            return Ok(());
        }
        let job = Job {
            work: Arc::clone(&work),
            place,
        };
        state.queue.push_back(job);
        let kick = match urgency {
            // What has a place must not keep it in the queue.
            Urgency::Soon if state.at_work() > 0 && holding == Holding::Free => Kick::Enough,
            _ => self.kick(&mut state, 0),
        };
        self.publish(&state);
        drop(state);
        if self.act(kick) {
            return Ok(());
        }
        // No new thread could be had, but one at work may have taken the job all the same.
        let mut state = self.lock();
        if state.workers == 0 && state.remove(&work) {
            let next = self.next_waiter(&mut state);
            self.publish(&state);
            drop(state);
            self.let_in(next);
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

    /// Takes `work` back out of the queues; `false` if a thread has it.
    pub(crate) fn remove(self: &Arc<Self>, work: &Work) -> bool {
        let mut state = self.lock();
        let removed = state.remove(work);
        // One that may hold a thread now has not asked for it yet.
        let kick = self.kick(&mut state, 0);
        let next = self.next_waiter(&mut state);
        self.publish(&state);
        drop(state);
        self.act(kick);
        self.let_in(next);
        removed
    }

    /// No more work will be submitted: idle threads go back to the runtime at once.
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
                match Runtime::current() {
                    Some(runtime) => worker.spawn_on(&runtime),
                    None => {
                        worker.give_up();
                        false
                    }
                }
            }
        }
    }
}

/// One thread of ours, or the intention to have one.
pub(super) struct Worker {
    pool: Arc<Pool>,
    came: bool,
}

type Locked<'a> = MutexGuard<'a, State>;

impl Worker {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, came: false }
    }

    /// Whether the runtime took it: one that shuts down does not.
    pub(super) fn spawn_on(mut self, runtime: &Runtime) -> bool {
        runtime.spawn_blocking(move || {
            self.came = true;
            self.run(Some(Instant::now() + TENURE));
        })
    }

    pub(super) fn give_up(mut self) {
        self.came = true;
        let mut state = self.pool.lock();
        state.spawned -= 1;
        state.workers -= 1;
    }

    fn run(&self, until: Option<Instant>) {
        let pool = &self.pool;
        let parker = Arc::new(Parker::here());
        let mut state = pool.lock();
        state.spawned -= 1;
        let mut looked = false;
        loop {
            if let Some(job) = state.queue.pop_front() {
                looked = false;
                let now;
                (state, now) = self.work(state, job);
                if until.is_some_and(|until| now >= until) {
                    break;
                }
                continue;
            }
            let Some(until) = until.filter(|_| !state.closed) else {
                state.workers -= 1;
                return;
            };
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
            let rested;
            (state, rested) = self.rest(state, &parker, until);
            match rested {
                Rested::ToWork => {}
                Rested::Enough => {
                    state.workers -= 1;
                    if state.workers == 0 {
                        drop(state);
                        pool.buffers.forget();
                    }
                    return;
                }
                Rested::TooLong => break,
            }
        }
        // The tenure is over: to the end of the runtime's queue, as another worker.
        state.workers -= 1;
        let kick = pool.kick(&mut state, 0);
        drop(state);
        pool.act(kick);
    }

    /// Does one job, and says when it was done.
    fn work<'a>(&'a self, mut state: Locked<'a>, job: Job) -> (Locked<'a>, Instant) {
        let pool = &self.pool;
        let begun = state.running.begin();
        // If jobs block, or if no thread would notice that they do, wakes another worker before it
        // starts this one.
        let quick = state.pace.is_quick() && state.running.old() == 0;
        let noticed = state.watched || state.at_work() < pool.crew;
        let kick = match quick && noticed {
            true => Kick::Enough,
            false => pool.kick(&mut state, 0),
        };
        pool.publish(&state);
        drop(state);
        pool.act(kick);
        let mut turn = ThisTurn {
            pool,
            place: job.place,
            steps: 0,
        };
        let start = Instant::now();
        // It does not panic; if it did, the pool would be a thread short from then on.
        if let Err(caught) = guard(|| job.work.run(&mut turn)) {
            discard(caught);
        }
        let now = Instant::now();
        let ThisTurn { place, steps, .. } = turn;
        let mut state = pool.lock();
        state.running.end(begun);
        state.pace.record(now - start, steps);
        let mut kick = Kick::Enough;
        if place.holding != Holding::Free {
            state.give_back(&place);
            // This thread takes one.
            kick = pool.kick(&mut state, 1);
        }
        let next = pool.next_waiter(&mut state);
        pool.publish(&state);
        if next.is_some() || !matches!(kick, Kick::Enough) {
            drop(state);
            pool.act(kick);
            pool.let_in(next);
            state = pool.lock();
        }
        (state, now)
    }

    /// Waits for work, and watches the others meanwhile, unless another thread does.
    fn rest<'a>(
        &'a self,
        mut state: Locked<'a>,
        parker: &Arc<Parker>,
        until: Instant,
    ) -> (Locked<'a>, Rested) {
        let pool = &self.pool;
        let others = state.workers - state.idle.len() > 1;
        let mut watches = others && !state.watched;
        if watches {
            state.watched = true;
            // The last one to be called: another would have to watch.
            state.idle.insert(0, Arc::clone(parker));
        } else {
            state.idle.push(Arc::clone(parker));
        }
        loop {
            drop(state);
            let called = parker.wait(if watches { WATCH } else { LINGER });
            state = pool.lock();
            let is_it = |it: &Arc<Parker>| Arc::ptr_eq(it, parker);
            let Some(at) = state.idle.iter().position(is_it) else {
                // Perhaps just when it gave up.
                parker.forget();
                state.called -= 1;
                state.watched &= !watches;
                let rested = match called || !state.queue.is_empty() {
                    true => Rested::ToWork,
                    false => Rested::Enough,
                };
                return (state, rested);
            };
            let rested = match watches {
                true => pool.look(&mut state, until),
                false if state.queue.is_empty() => Some(Rested::Enough),
                false => Some(Rested::ToWork),
            };
            if let Some(rested) = rested {
                state.idle.remove(at);
                state.watched &= !watches;
                return (state, rested);
            }
            if !state.watched {
                watches = false;
            }
        }
    }
}

/// Why a thread that waited for work does so no more.
enum Rested {
    /// There is some, or it was called.
    ToWork,
    /// There was none for long enough.
    Enough,
    /// Its tenure is over.
    TooLong,
}

impl Pool {
    /// Looks whether those at work get on. `None`: they do, or nothing is left to be watched.
    fn look(&self, state: &mut State, until: Instant) -> Option<Rested> {
        let seen = state.running.look();
        let idles = seen.begun == 0;
        // Work that is queued behind a job that turns out to block was refused a thread of its own.
        if !state.queue.is_empty() && (idles || seen.aged > 0) {
            return Some(Rested::ToWork);
        }
        if Instant::now() >= until {
            return Some(Rested::TooLong);
        }
        let over = idles && state.queue.is_empty() && state.running.young() == 0;
        state.watched = !over;
        None
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.came {
            return;
        }
        // The runtime shut down before a thread came. What is queued belongs to other runtimes, or
        // is an application's iterator that has yet to be dropped.
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

/// A thread's turn at one job.
struct ThisTurn<'a> {
    pool: &'a Arc<Pool>,
    place: Place,
    steps: usize,
}

impl Turn for ThisTurn<'_> {
    fn others_wait(&self) -> bool {
        self.pool.has_queue()
    }

    fn did(&mut self, steps: usize) {
        self.steps += steps;
    }

    fn hold(&mut self, holding: Holding, origin: &Origin) -> bool {
        let reads = matches!(self.place.holding, Holding::Reading | Holding::Early);
        let has_it = holding == self.place.holding || (reads && holding == Holding::Reading);
        if holding == Holding::Free || has_it {
            return true;
        }
        let origin = origin.clone();
        let other = Place { holding, origin };
        let mut state = self.pool.lock();
        if !state.places.take(&other) {
            return false;
        }
        let before = mem::replace(&mut self.place, other);
        state.give_back(&before);
        let kick = self.pool.kick(&mut state, 0);
        self.pool.publish(&state);
        drop(state);
        self.pool.act(kick);
        true
    }
}
