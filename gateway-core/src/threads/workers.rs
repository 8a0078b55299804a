//! The life of a thread: work, a look about, rest, and home.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use panic_capture::{discard, guard};
use tokio::runtime::Handle;

use super::queue::{Job, Kick, Pool, State, Turn, wake};
use super::work::Holding;

/// How long a thread without work waits for some before it goes back to the runtime.
///
/// Also the longest that an idle service can delay the shutdown of a runtime it outlives.
const LINGER: Duration = Duration::from_millis(100);

/// How long a thread works for us before it queues again behind the runtime's other work: neither
/// may a runtime with few threads be monopolised, nor one that shuts down be kept by another's work.
const TENURE: Duration = Duration::from_millis(250);

/// How often the one that watches looks whether the others get on. What is queued behind work that
/// blocks, unlike all before it, waits this long for another thread, or twice.
const WATCH: Duration = Duration::from_millis(1);

/// How often a thread looks for work again, after everybody else's turn, before it sleeps. To be
/// put to sleep and woken costs as much as some dozens of looks.
const LOOKS: usize = 16;

/// How long a runtime's shutdown waits for what it left undone.
const LAST_WORK: Duration = Duration::from_secs(1);

/// One thread of ours, or the intention to have one.
pub(super) struct Worker {
    pool: Arc<Pool>,
    came: bool,
}

/// How an idle thread is called.
pub(super) struct Parker {
    thread: Thread,
    called: AtomicBool,
}

type Locked<'a> = MutexGuard<'a, State>;

impl Worker {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, came: false }
    }

    /// Whether the runtime took it: one that shuts down does not.
    pub(super) fn spawn_on(mut self, runtime: &Handle) -> bool {
        let handle = runtime.spawn_blocking(move || {
            self.came = true;
            self.run(Some(Instant::now() + TENURE));
        });
        !handle.is_finished()
    }

    pub(super) fn give_up(mut self) {
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
        // Where work blocks, and where nobody would notice if it did, whoever takes some sees to it
        // that the rest is taken as well.
        let quick = state.pace.is_quick() && state.running.old() == 0;
        let noticed = state.watched || state.at_work() < pool.crew;
        let kick = match quick && noticed {
            true => Kick::Enough,
            false => pool.kick(&mut state, 0),
        };
        pool.publish(&state);
        drop(state);
        pool.act(kick);
        let mut turn = Turn {
            pool,
            holding: job.holding,
            steps: 0,
        };
        let start = Instant::now();
        // It does not panic, and if it did the thread would be missing ever after.
        if let Err(caught) = guard(|| job.work.run(&mut turn)) {
            discard(caught);
        }
        let now = Instant::now();
        let Turn { holding, steps, .. } = turn;
        let mut state = pool.lock();
        state.running.end(begun);
        state.pace.record(now - start, steps);
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
        (state, now)
    }

    /// Waits for work, and watches the others meanwhile, unless somebody does.
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
                parker.called.store(false, Ordering::Relaxed);
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
        // Who is queued behind what blocks, as it turns out, was refused a thread of its own.
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

impl Parker {
    pub(super) fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Whether somebody called; `false` after `limit`.
    fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
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
