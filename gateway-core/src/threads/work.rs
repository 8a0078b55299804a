use std::any::Any;
use std::sync::Arc;

/// What is done on a thread that may block.
pub(crate) trait Run: Send + Sync {
    /// Does it. Does not panic.
    fn run(self: Arc<Self>, turn: &mut dyn Turn);
}

pub(crate) type Work = Arc<dyn Run>;

/// Compares by identity: two jobs that look alike are two jobs.
pub(super) trait Same {
    fn is_same(&self, other: &Self) -> bool;
}

impl Same for Work {
    fn is_same(&self, other: &Self) -> bool {
        Self::ptr_eq(self, other)
    }
}

/// A thread's turn at one job.
pub(crate) trait Turn {
    /// Whether others wait for this thread.
    fn others_wait(&self) -> bool;

    /// The work called the application `steps` times.
    fn did(&mut self, steps: usize);

    /// From here on the work waits for a client: `false` if too many do already.
    fn hold(&mut self, holding: Holding, origin: &Origin) -> bool;
}

/// Whether the work may wait for a client while it has a thread, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    Free,
    /// For what the client sends.
    Reading,
    /// The same, and the client has not sent anything yet.
    Early,
    /// Until the client has taken what there is.
    Writing,
}

/// The connection that work comes over, by identity: each has its share of the places.
#[derive(Clone, Default)]
pub(crate) struct Origin(Option<Arc<dyn Any + Send + Sync>>);

impl Origin {
    /// Work is of one origin if it shares `connection`.
    pub(crate) fn of(connection: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Some(connection))
    }

    /// No other origin has it as long as this is there. `None`: the gateway did not say, so there
    /// is no share.
    pub(super) fn key(&self) -> Option<usize> {
        let shared = self.0.as_ref()?;
        Some(Arc::as_ptr(shared).cast::<()>().addr())
    }
}

/// How soon a thread must come for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    Now,
    /// The caller comes back within microseconds and asks for haste: until then a
    /// thread that is awake anyway may have taken it.
    Soon,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    /// How many wait for clients that send, and how many for clients that take.
    pub(crate) held: usize,
    /// Whether quick jobs share a few threads. `false`: each job that is queued calls a thread.
    pub(crate) paced: bool,
}

impl Default for Limits {
    /// Half of tokio's blocking threads: the rest is for files, names and other services.
    fn default() -> Self {
        Self {
            threads: 256,
            held: 64,
            paced: true,
        }
    }
}
