//! What waits for room to submit work, is woken when there is some, and may not come.

use std::mem;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::queue::{Next, Pool};
use super::timer;

/// How long a waiter that was woken has to come, before all others are woken.
const COMES_WITHIN: Duration = Duration::from_millis(5);

impl Pool {
    /// Whether another call would find a thread; if not, `waker` is woken when it may.
    pub(crate) fn poll_room(self: &Arc<Self>, waiter: &mut Option<u64>, waker: &Waker) -> bool {
        // A waker is cloned and dropped without the lock: both run code of its task's.
        let waker = waker.clone();
        let mut state = self.lock();
        if !self.has_room_in(&state) {
            let ticket = *waiter.get_or_insert_with(|| {
                state.last_waiter += 1;
                state.last_waiter
            });
            let before = state.waiters.insert(ticket, waker);
            // A slow client may have room for what is queued to be done soon, and not ask for it: then
            // this is the only one that needs the queue to move.
            let kick = self.kick(&mut state, 0);
            drop(state);
            drop(before);
            self.act(kick);
            return false;
        }
        let left = waiter.take().and_then(|ticket| {
            state.came += 1;
            state.waiters.remove(&ticket)
        });
        // What was let in may not need a thread yet: then the next can have it.
        let next = self.next_waiter(&mut state);
        drop(state);
        drop(left);
        self.let_in(next);
        true
    }

    /// Forgets a waiter. If it was the one that was woken, the next is.
    pub(crate) fn leave(self: &Arc<Self>, waiter: u64) {
        let mut state = self.lock();
        let left = state.waiters.remove(&waiter);
        let next = self.next_waiter(&mut state);
        drop(state);
        drop(left);
        self.let_in(next);
    }

    pub(super) fn let_in(self: &Arc<Self>, next: Next) {
        timer::wake_all(next.waker);
        if next.set_timer {
            timer::wake_at(Instant::now() + COMES_WITHIN, Arc::clone(self).into());
        }
    }
}

/// By the timer.
impl Wake for Pool {
    fn wake(self: Arc<Self>) {
        let mut state = self.lock();
        let came = state.timer.take();
        if !self.has_room_in(&state) {
            // When there is room again, the next is woken.
            return;
        }
        if came == Some(state.came) {
            // Those that find no room take their old places.
            let waiters = mem::take(&mut state.waiters);
            drop(state);
            timer::wake_all(waiters.into_values());
        } else {
            let next = self.next_waiter(&mut state);
            drop(state);
            self.let_in(next);
        }
    }
}
