//! Memory that is given out while a map is in use.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that engines, and what they note while they search, may still take in all routes of a map.
#[derive(Debug)]
pub(crate) struct Room(AtomicUsize);

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    pub(super) fn has(&self, bytes: usize) -> bool {
        self.0.load(Relaxed) >= bytes
    }

    pub(super) fn take(&self, bytes: usize) -> bool {
        // A count, and nothing that it would have to be in order with.
        self.0
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes))
            .is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Relaxed);
    }
}
