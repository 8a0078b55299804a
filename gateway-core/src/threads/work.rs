use std::sync::Arc;

/// What is done on a thread that may block.
pub(crate) trait Run: Send + Sync {
    /// Does it. Does not panic.
    fn run(self: Arc<Self>, turn: &mut dyn Turn);
}

pub(crate) type Work = Arc<dyn Run>;

/// A thread's turn at one piece of work.
pub(crate) trait Turn {
    /// Whether others wait for this thread.
    fn others_wait(&self) -> bool;

    /// The work called the application so often.
    fn did(&mut self, steps: usize);

    /// From here on the work waits for a client: `false` if too many do already.
    fn hold(&mut self) -> bool;
}

/// Whether the work may wait for a client while it has a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    Free,
    /// So many at most at a time.
    Held,
}

/// How soon a thread must come for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    Now,
    /// Whoever asks comes back within microseconds and hurries: until then a
    /// thread that is awake anyway may have taken it.
    Soon,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    pub(crate) held: usize,
}

impl Default for Limits {
    /// Half of tokio's blocking threads: the rest is for files, names and other services.
    fn default() -> Self {
        Self {
            threads: 256,
            held: 64,
        }
    }
}
