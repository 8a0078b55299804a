use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes all clients of a service can have queued above their high-water marks. A client that stops
/// reading keeps its part until the queue is empty, so the total is small.
pub(crate) const RESERVE: usize = 8 * 1024 * 1024;

/// The bytes that the bodies of a service share to be further ahead of their clients.
#[derive(Debug)]
pub(crate) struct Reserve {
    left: AtomicUsize,
}

impl Default for Reserve {
    fn default() -> Self {
        Self {
            left: AtomicUsize::new(RESERVE),
        }
    }
}

impl Reserve {
    /// Takes up to `wanted` bytes and returns how many there were.
    pub(crate) fn take(&self, wanted: usize) -> usize {
        let take = |left: usize| Some(left.saturating_sub(wanted));
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        before.unwrap_or_else(|left| left).min(wanted)
    }

    pub(crate) fn give(&self, back: usize) {
        self.left.fetch_add(back, Ordering::Relaxed);
    }
}
