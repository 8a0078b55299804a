use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Parks an idle thread until another thread calls it.
pub(super) struct Parker {
    thread: Thread,
    called: AtomicBool,
}

impl Parker {
    /// For the current thread.
    pub(super) fn here() -> Self {
        Self {
            thread: thread::current(),
            called: AtomicBool::new(false),
        }
    }

    /// Wakes the thread.
    pub(super) fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Parks for up to `limit`. Returns whether another thread called.
    pub(super) fn wait(&self, limit: Duration) -> bool {
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

    /// Discards a call that has not been waited for.
    pub(super) fn forget(&self) {
        self.called.store(false, Ordering::Relaxed);
    }
}
