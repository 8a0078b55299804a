//! The panic of a task that a failure awaited.

use std::{fmt, sync::OnceLock};

use crate::{
    failure::{
        cause::Awaited,
        facts::{Place, SpanSummary},
        id::ErrorId,
    },
    frames::{Note, Traceback, resolve::is_ready},
};

/// A panic that ended a task of tokio's, where a report tells of its `JoinError`: see [`Report::tasks`](crate::Report::tasks).
pub struct TaskPanic {
    awaited: Awaited,
    traceback: OnceLock<Traceback>,
}

impl TaskPanic {
    pub(crate) fn new(awaited: Awaited) -> Self {
        Self {
            awaited,
            traceback: OnceLock::new(),
        }
    }

    /// The number of the task, as its `Id` displays it.
    #[must_use]
    pub fn task(&self) -> u64 {
        self.awaited.task
    }

    /// What it said, at least the first 256 bytes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.awaited.panic.described().message
    }

    /// Where it was raised.
    #[must_use]
    pub fn location(&self) -> Option<&Place> {
        self.awaited.panic.location.as_ref()
    }

    /// The name of the thread that panicked.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.awaited.panic.thread.as_deref()
    }

    /// The tracing spans that were open in the task, the innermost first.
    #[must_use]
    pub fn spans(&self) -> &[SpanSummary] {
        self.awaited.panic.spans()
    }

    /// The stack of the task, or [why it is not known](Traceback::note).
    #[must_use]
    pub fn frames(&self) -> &Traceback {
        self.traceback
            .get_or_init(|| Traceback::resolve(&self.awaited.panic))
    }

    /// The id under which it was reported before, if it was.
    #[must_use]
    pub fn first_id(&self) -> Option<ErrorId> {
        self.awaited.panic.first_id
    }

    pub(crate) fn is_by_text(&self) -> bool {
        self.awaited.is_by_text
    }

    pub(crate) fn has_frames(&self) -> bool {
        self.traceback.get().is_some() || is_ready(&self.awaited.panic)
    }

    pub(crate) fn give_frames_up(&self) {
        let place = Traceback::without(self.location(), Note::TooMany);
        _ = self.traceback.set(place);
    }
}

impl fmt::Debug for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPanic")
            .field("task", &self.task())
            .field("message", &self.message())
            .field("location", &self.location())
            .finish_non_exhaustive()
    }
}
