//! For the crates of this workspace: no part of the contract.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Room for the waker of one task that waits.
///
/// To clone, wake or drop a waker runs code of the task's, which may come back to where it was called from. So
/// none of that happens under a lock: neither the slot's, nor, by its callers, that of what is waited for.
#[derive(Debug, Default)]
pub struct WakerSlot {
    waker: Mutex<Option<Waker>>,
}

impl WakerSlot {
    /// Keeps `waker` in place of the one before. Look again at what is waited for after this: it may have
    /// come in between.
    pub fn register(&self, waker: &Waker) {
        if self.lock().as_ref().is_some_and(|it| it.will_wake(waker)) {
            return;
        }
        let new = waker.clone();
        let before = self.lock().replace(new);
        drop(before);
    }

    /// Wakes the task, once.
    pub fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Forgets the task, and returns its waker to be dropped without a lock.
    pub fn take(&self) -> Option<Waker> {
        self.lock().take()
    }

    /// Whether a task waits.
    pub fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        // Nothing panics while it is held.
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
