use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Room for the waker of one task that waits.
///
/// To clone, wake or drop a waker is to run code of the runtime or of a service, which may come back to where
/// it was called from; so none of that happens while the lock is held.
#[derive(Debug, Default)]
pub(crate) struct WakerSlot {
    waker: Mutex<Option<Waker>>,
}

impl WakerSlot {
    /// Keeps `waker` in place of the one before. Look again at what is waited for after this: it may have
    /// come in between.
    pub(crate) fn register(&self, waker: &Waker) {
        if self.lock().as_ref().is_some_and(|it| it.will_wake(waker)) {
            return;
        }
        let new = waker.clone();
        let before = self.lock().replace(new);
        drop(before);
    }

    /// Wakes the task, once.
    pub(crate) fn wake(&self) {
        let waker = self.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Forgets the task.
    #[cfg(feature = "_wire")]
    pub(crate) fn clear(&self) {
        let waker = self.lock().take();
        drop(waker);
    }

    /// Whether a task waits.
    #[cfg(feature = "_wire")]
    pub(crate) fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        // Nothing panics while it is held.
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
