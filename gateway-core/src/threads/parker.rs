use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How an idle thread is called.
pub(super) struct Parker {
    thread: Thread,
    called: AtomicBool,
}

impl Parker {
    /// Of this thread.
    pub(super) fn here() -> Self {
        Self {
            thread: thread::current(),
            called: AtomicBool::new(false),
        }
    }

    pub(super) fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Whether another thread called this one; `false` after `limit`.
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

    /// Forgets a call.
    pub(super) fn forget(&self) {
        self.called.store(false, Ordering::Relaxed);
    }
}
