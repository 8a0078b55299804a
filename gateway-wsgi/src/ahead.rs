//! Room for what arrives ahead of the application, of all clients together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All of it: what slow clients can have of our memory, beside what each has anyway.
const ROOM: usize = 8 * 1024 * 1024;

/// How much is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead {
    taken: Arc<AtomicUsize>,
}

impl Ahead {
    /// Room for `length` bytes, unless there is too little left.
    pub(crate) fn reserve(&self, length: usize) -> Option<Reserved> {
        let reserved = Reserved {
            taken: Arc::clone(&self.taken),
            length,
        };
        // What it has taken is given back by its drop, also where it was too much.
        let before = self.taken.fetch_add(length, Ordering::Relaxed);
        (before.saturating_add(length) <= ROOM).then_some(reserved)
    }
}

/// Room that one body has.
#[derive(Debug)]
pub(crate) struct Reserved {
    taken: Arc<AtomicUsize>,
    length: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.length, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_until_it_is_taken_and_again_when_it_is_given_back() {
        let ahead = Ahead::default();
        let half = ahead.reserve(ROOM / 2).unwrap();
        let other = ahead.reserve(ROOM / 2).unwrap();
        assert!(ahead.reserve(1).is_none());
        drop(half);
        assert!(ahead.reserve(ROOM / 2 + 1).is_none());
        assert!(ahead.reserve(ROOM / 2).is_some());
        drop(other);
        assert!(ahead.reserve(ROOM).is_some());
    }
}
