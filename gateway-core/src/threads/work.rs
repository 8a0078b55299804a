use std::any::Any;
use std::sync::Arc;

/// A job for a thread that may block.
pub(crate) trait Run: Send + Sync {
    /// Does the job. Does not panic.
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
    /// Whether other jobs wait for a thread.
    fn others_wait(&self) -> bool;

    /// Records that the job called the application `steps` times.
    fn did(&mut self, steps: usize);

    /// Changes the job's place: from here on it may wait for a client. `false` if no such place is free.
    fn hold(&mut self, holding: Holding, origin: &Origin) -> bool;
}

/// Whether a job may wait for a client while it has a thread, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// It does not wait for the client.
    Free,
    /// It waits for what the client sends.
    Reading,
    /// The same, before the client has sent a first byte.
    Early,
    /// It waits until the client has taken what is queued.
    Writing,
}

/// The connection that a job comes over, by identity: each connection has a share of the places.
#[derive(Clone, Default)]
pub(crate) struct Origin(Option<Arc<dyn Any + Send + Sync>>);

impl Origin {
    /// Jobs that share `connection` have one origin.
    pub(crate) fn of(connection: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Some(connection))
    }

    /// Unique while this value lives. `None` where the gateway does not name the connection: then
    /// no share applies.
    pub(super) fn key(&self) -> Option<usize> {
        let shared = self.0.as_ref()?;
        Some(Arc::as_ptr(shared).cast::<()>().addr())
    }
}

/// How soon a job needs a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    Now,
    /// The caller calls `hurry` within microseconds if the job is still queued. Until then a thread that is
    /// awake anyway may take it.
    Soon,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    /// How many jobs may wait for clients that send, and how many for clients that take.
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
