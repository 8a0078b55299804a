//! One thread that wakes tasks at a given time, for waits where the runtime may have no timer.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use panic_capture::{discard, guard};

/// How long the thread stays when no task waits.
const LINGER: Duration = Duration::from_secs(1);

/// A wait until a point in time. Over at once where the timer's thread cannot be spawned.
pub(crate) struct Delay {
    until: Instant,
    /// Its key in the timer, once polled.
    number: Option<u64>,
}

impl Delay {
    fn until(until: Instant) -> Self {
        Self {
            until,
            number: None,
        }
    }

    /// `None` where the end is later than an [`Instant`] can be.
    pub(crate) fn of(limit: Duration) -> Option<Self> {
        Instant::now().checked_add(limit).map(Self::until)
    }

    /// How much of the wait is left.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        if Instant::now() >= self.until {
            return Poll::Ready(());
        }
        // Cloned and dropped without the lock: both run code of the task.
        let waker = context.waker().clone();
        let (number, before) = TIMER.wait(self.until, self.number, waker);
        self.number = number;
        drop(before);
        match number {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        }
    }
}

/// Wakes `waker` at `until`, or at once where no thread can be had.
pub(super) fn wake_at(until: Instant, waker: Waker) {
    _ = TIMER.wait(until, None, waker);
}

impl Drop for Delay {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = TIMER.lock().waiting.remove(&(self.until, number));
            drop(waker);
        }
    }
}

static TIMER: Timer = Timer {
    state: Mutex::new(State {
        waiting: BTreeMap::new(),
        last: 0,
        runs: false,
    }),
    sooner: Condvar::new(),
};

struct Timer {
    state: Mutex<State>,
    /// Notified when a wait is added that ends before all others.
    sooner: Condvar,
}

struct State {
    waiting: BTreeMap<(Instant, u64), Waker>,
    last: u64,
    runs: bool,
}

impl Timer {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `waker` woken at `until`. Returns the wait's number, `None` where there is no thread, and the waker
    /// that the wait had before.
    fn wait(
        &'static self,
        until: Instant,
        number: Option<u64>,
        waker: Waker,
    ) -> (Option<u64>, Option<Waker>) {
        let mut state = self.lock();
        let number = number.unwrap_or_else(|| {
            state.last += 1;
            state.last
        });
        let key = (until, number);
        let before = state.waiting.insert(key, waker);
        let is_first = state.waiting.keys().next() == Some(&key);
        let runs = mem::replace(&mut state.runs, true);
        drop(state);
        if runs && is_first {
            self.sooner.notify_one();
        }
        if !runs {
            let thread = thread::Builder::new().name("gateway-timer".into());
            if thread.spawn(|| self.run()).is_err() {
                let mut state = self.lock();
                state.runs = false;
                // No thread will wake the others either.
                let waiting = mem::take(&mut state.waiting);
                drop(state);
                wake_all(waiting.into_values());
                return (None, before);
            }
        }
        (Some(number), before)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let later = state.waiting.split_off(&(now, u64::MAX));
            let over = mem::replace(&mut state.waiting, later);
            if !over.is_empty() {
                drop(state);
                wake_all(over.into_values());
                state = self.lock();
                continue;
            }
            let first = state.waiting.keys().next().map(|(until, _)| *until);
            let wait = first.map_or(LINGER, |until| until - now);
            let waited = self.sooner.wait_timeout(state, wait);
            let (again, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            state = again;
            if first.is_none() && timed_out.timed_out() && state.waiting.is_empty() {
                state.runs = false;
                return;
            }
        }
    }
}

/// Wakes all, even if one panics.
pub(super) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        if let Err(caught) = guard(|| waker.wake()) {
            discard(caught);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Wake;

    use super::*;
    use crate::threads::block_on::block_on_future;

    fn after(millis: u64) -> Delay {
        Delay::of(Duration::from_millis(millis)).unwrap()
    }

    #[test]
    fn a_wait_ends_and_stays_over() {
        let mut delay = after(5);
        let until = delay.until;
        block_on_future(poll_fn(|context| delay.poll(context)));
        assert!(Instant::now() >= until);
        let noop = Context::from_waker(Waker::noop());
        assert!(delay.poll(&noop).is_ready());
    }

    #[test]
    fn of_many_waits_each_is_woken_whatever_the_others_do() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: std::sync::Arc<Self>) {
                panic!("expected: a waker that panics");
            }
        }
        let panics = Waker::from(std::sync::Arc::new(Panics));
        let mut rude = after(1);
        assert!(rude.poll(&Context::from_waker(&panics)).is_pending());
        let threads: Vec<_> = (0..20)
            .map(|n| {
                thread::spawn(move || {
                    let mut delay = after(40 - 2 * n);
                    block_on_future(poll_fn(|context| delay.poll(context)));
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_wait_that_is_dropped_leaves_nothing_behind() {
        let mut delay = after(3_600_000);
        let noop = Context::from_waker(Waker::noop());
        assert!(delay.poll(&noop).is_pending() && delay.poll(&noop).is_pending());
        let key = (delay.until, delay.number.unwrap());
        assert!(TIMER.lock().waiting.contains_key(&key));
        drop(delay);
        assert!(!TIMER.lock().waiting.contains_key(&key));
    }
}
