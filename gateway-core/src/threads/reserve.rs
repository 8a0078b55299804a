use std::sync::atomic::{AtomicUsize, Ordering};

/// How much more than their high-water marks all clients of a service can have at a time. Those that kept up and then
/// stopped keep what they have, so it is little for each of a thousand.
pub(crate) const RESERVE: usize = 8 * 1024 * 1024;

/// What the bodies of a service share to be further ahead of their clients.
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
    /// As much of `wanted` as there is.
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
