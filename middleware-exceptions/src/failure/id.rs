//! The id that ties a response to its log record.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Sixteen hexadecimal digits that reveal neither how many failures there were nor when.
///
/// A client may quote it, and cannot guess another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorId(u64);

impl ErrorId {
    /// A counter under a keyed hash whose 128-bit key the operating system chose at random when the
    /// process first failed.
    pub(crate) fn new() -> Self {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(KEY.get_or_init(RandomState::new).hash_one(count))
    }
}

impl ErrorId {
    /// As a number, for [`Caught::set_mark`](panic_capture::Caught::set_mark).
    pub(crate) fn mark(self) -> u64 {
        self.0
    }

    /// The id that an earlier report stored with a panic.
    pub(crate) fn of_mark(mark: u64) -> Self {
        Self(mark)
    }
}

impl fmt::Display for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
