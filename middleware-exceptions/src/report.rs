//! What is known of one failure.

use std::{fmt, sync::OnceLock};

use http::StatusCode;

use crate::{
    failure::{
        cause::Cause,
        facts::{ChainLink, Kind, Place, SpanSummary, Stage},
        hints,
        id::ErrorId,
    },
    frames::{Note, Traceback, resolve::is_ready},
    request::summary::RequestSummary,
    task_panic::TaskPanic,
};

/// One failure: what went wrong, where, and during which request.
///
/// Handed to [`on_report`](crate::ExceptionsLayer::on_report) and rendered into the log and, where
/// details are shown, into the response. All text in it is bounded and free of control characters.
pub struct Report {
    id: ErrorId,
    stage: Stage,
    request: RequestSummary,
    cause: Cause,
    traceback: OnceLock<Traceback>,
    tasks: Vec<TaskPanic>,
}

impl Report {
    pub(crate) fn new(cause: Cause, stage: Stage, request: RequestSummary) -> Self {
        Self::with_id(ErrorId::new(), cause, stage, request)
    }

    pub(crate) fn with_id(
        id: ErrorId,
        mut cause: Cause,
        stage: Stage,
        request: RequestSummary,
    ) -> Self {
        let awaited = std::mem::take(&mut cause.awaited);
        Self {
            id,
            stage,
            request,
            cause,
            traceback: OnceLock::new(),
            tasks: awaited.into_iter().map(TaskPanic::new).collect(),
        }
    }

    /// The id that the client was given.
    #[must_use]
    pub fn id(&self) -> ErrorId {
        self.id
    }

    /// Panic or error.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.cause.kind
    }

    /// The name of the error's type, where it is known. A panic has none, unless its payload
    /// is of a type we know.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        self.cause.described().type_name.as_deref()
    }

    /// What the error's `Debug` begins with, where that is not the name of its type: mostly the variant of an enum.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.cause.described().variant.as_deref()
    }

    /// What OpenTelemetry calls `exception.type`: `panic`, or the error's type where it is known.
    #[must_use]
    pub fn exception_type(&self) -> Option<&str> {
        match self.kind() {
            Kind::Panic => Some("panic"),
            Kind::Error => self.type_name(),
        }
    }

    /// The panic's message, or what the error's `Display` says. At most 8 KiB, cut with a note.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.cause.described().message
    }

    /// What to do about it, in one sentence, where it is one of the commonest panics of std, tokio and axum.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self.kind() {
            Kind::Panic => hints::of(self.message()),
            Kind::Error => None,
        }
    }

    /// The errors behind the error (`source()`), the nearest first, the root last. Cut at
    /// a depth of 32, see [`is_chain_cut`](Self::is_chain_cut).
    #[must_use]
    pub fn chain(&self) -> &[ChainLink] {
        &self.cause.described().chain
    }

    /// Whether there were more causes than are shown, perhaps without end.
    #[must_use]
    pub fn is_chain_cut(&self) -> bool {
        self.cause.described().chain_cut
    }

    /// The stack at the failure, symbolicated when first asked for.
    ///
    /// The layer does that before it calls observers, on a thread of its own, unless there are too
    /// many failures at once: then it has the place only and [says so](Traceback::note).
    #[must_use]
    pub fn frames(&self) -> &Traceback {
        self.traceback
            .get_or_init(|| Traceback::resolve(&self.cause))
    }

    /// Of the failure there is the place; so it is of its tasks, but for those whose frames have their names already.
    pub(crate) fn give_frames_up(&self) {
        _ = self
            .traceback
            .set(Traceback::without(self.location(), Note::TooMany));
        for task in &self.tasks {
            if task.has_frames() {
                _ = task.frames();
            } else {
                task.give_frames_up();
            }
        }
    }

    pub(crate) fn has_traceback(&self) -> bool {
        self.traceback.get().is_some()
    }

    /// Asks the error what it has to say, and puts names to the frames: what must not be done on an async worker.
    pub(crate) fn prepare(&self) {
        self.describe();
        _ = self.frames();
        _ = self.tasks();
    }

    /// Asks the error what it has to say.
    pub(crate) fn describe(&self) {
        _ = self.cause.described();
    }

    pub(crate) fn is_described(&self) -> bool {
        self.cause.is_described()
    }

    /// Whether [`frames`](Self::frames) costs little.
    pub(crate) fn has_frames(&self) -> bool {
        let has_own = self.has_traceback() || is_ready(&self.cause);
        has_own && self.tasks.iter().all(TaskPanic::has_frames)
    }

    /// The panics of the tasks that the failure awaited, the nearest first: that behind a `JoinError` among the error's causes,
    /// or behind one that was unwrapped; then that of the task which that one awaited. With the feature `tokio`.
    #[must_use]
    pub fn tasks(&self) -> &[TaskPanic] {
        let mut frames = self.frames();
        let mut count = 0;
        for task in &self.tasks {
            if task.is_by_text() && frames.denies_unwrap() {
                break;
            }
            frames = task.frames();
            count += 1;
        }
        self.tasks.get(..count).unwrap_or_default()
    }

    /// The id under which this panic was reported before, where it ended detached work and was
    /// resumed here. That of a panic behind a `JoinError` is [`TaskPanic::first_id`].
    #[must_use]
    pub fn first_id(&self) -> Option<ErrorId> {
        self.cause.first_id
    }

    /// Where it was raised, or where `?` met it; of an error of anyhow's or eyre's, the innermost line of yours in its
    /// backtrace.
    #[must_use]
    pub fn location(&self) -> Option<&Place> {
        let of_backtrace = || self.traceback.get()?.place();
        self.cause.location.as_ref().or_else(of_backtrace)
    }

    /// The places it may have been raised at, where more than one panic could be meant and they differ in that.
    #[must_use]
    pub fn candidates(&self) -> &[Place] {
        &self.cause.candidates
    }

    /// The name of the thread that panicked.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.cause.thread.as_deref()
    }

    /// The tracing spans that were open, the innermost first.
    #[must_use]
    pub fn spans(&self) -> &[SpanSummary] {
        self.cause.spans()
    }

    /// The request, its secrets redacted.
    #[must_use]
    pub fn request(&self) -> &RequestSummary {
        &self.request
    }

    /// How far the request had come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The status of the response, if one could still be made.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.cause.status
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("id", &self.id)
            .field("kind", &self.kind())
            .field("message", &self.message())
            .field("location", &self.location())
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
