#[cfg(feature = "tokio")]
use std::sync::Arc;

#[cfg(feature = "tokio")]
use super::queue::Turn;

#[cfg(feature = "tokio")]
/// What is done on a thread that may block.
pub(crate) trait Run: Send + Sync {
    /// Does it. Does not panic.
    fn run(self: Arc<Self>, turn: &mut Turn<'_>);
}

#[cfg(feature = "tokio")]
pub(crate) type Work = Arc<dyn Run>;

#[cfg(feature = "tokio")]
/// Whether the work may wait for a client while it has a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    Free,
    /// So many at most at a time.
    Held,
}

#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    pub(crate) held: usize,
}

/// How soon a thread must come for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    Now,
    /// Whoever asks comes back within microseconds and hurries: until then a
    /// thread that is awake anyway may have taken it.
    Soon,
}
