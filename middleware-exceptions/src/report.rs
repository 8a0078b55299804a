//! What is known of one failure.

use std::{fmt, sync::OnceLock};

use http::StatusCode;

use crate::{
    context::RequestSummary,
    failure::cause::{Cause, Trace},
    failure::id::ErrorId,
    frames::Traceback,
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
}

/// How it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Something panicked.
    Panic,
    /// The service, or its response body, returned an error.
    Error,
}

/// How far the request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// `Service::poll_ready`.
    Ready,
    /// `Service::call`, before there was a future.
    Call,
    /// The handler's future.
    Future,
    /// The drop of the handler's future.
    FutureDrop,
    /// The response body, polled for the first time before the head was sent.
    BodyStart,
    /// The response body, after the head was sent.
    Body,
    /// `is_end_stream` or `size_hint` of the response body, after the head was sent.
    BodyHint,
    /// The drop of the response body.
    BodyDrop,
}

/// One error in a chain of causes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainLink {
    /// The name of its type, where it is known.
    pub type_name: Option<String>,
    /// What its `Display` says.
    pub message: String,
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// As the compiler has it: often relative to the workspace root.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
}

/// A tracing span that was open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanSummary {
    /// The name of the span.
    pub name: String,
    /// Its fields as the subscriber formatted them, those with secret names redacted; empty without
    /// the feature `tracing-error`.
    pub fields: String,
}

impl Report {
    pub(crate) fn new(cause: Cause, stage: Stage, request: RequestSummary) -> Self {
        Self {
            id: ErrorId::new(),
            stage,
            request,
            cause,
            traceback: OnceLock::new(),
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
        self.cause.type_name.as_deref()
    }

    /// The panic's message, or what the error's `Display` says. At most 8 KiB, cut with a note.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.cause.message
    }

    /// The errors behind the error (`source()`), the nearest first, the root last. Cut at
    /// a depth of 32, see [`is_chain_cut`](Self::is_chain_cut).
    #[must_use]
    pub fn chain(&self) -> &[ChainLink] {
        &self.cause.chain
    }

    /// Whether there were more causes than are shown, perhaps without end.
    #[must_use]
    pub fn is_chain_cut(&self) -> bool {
        self.cause.chain_cut
    }

    /// The stack at the failure, symbolicated when first asked for.
    ///
    /// The layer does that before it calls observers, on a thread of its own, unless there are too
    /// many failures at once: then it has the place only and [says so](Traceback::note).
    #[must_use]
    pub fn frames(&self) -> &Traceback {
        self.traceback
            .get_or_init(|| Traceback::resolve(&self.cause.trace, self.location()))
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.cause.trace
    }

    pub(crate) fn set_traceback(&self, traceback: Traceback) {
        _ = self.traceback.set(traceback);
    }

    pub(crate) fn has_traceback(&self) -> bool {
        self.traceback.get().is_some()
    }

    /// Where it was raised, or where `?` met it.
    #[must_use]
    pub fn location(&self) -> Option<&Place> {
        self.cause.location.as_ref()
    }

    /// The name of the thread that panicked.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.cause.thread.as_deref()
    }

    /// The tracing spans that were open, the innermost first.
    #[must_use]
    pub fn spans(&self) -> &[SpanSummary] {
        &self.cause.spans
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

    /// The traceback and all that is known, as plain text: what the log has.
    #[must_use]
    pub fn to_text(&self) -> String {
        crate::render::text::page(self)
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "panic",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "poll_ready (no response head sent)",
            Self::Call => "call (no response head sent)",
            Self::Future => "handler future (no response head sent)",
            Self::FutureDrop => "drop of the handler future",
            Self::BodyStart => "response body, first poll (no response head sent)",
            Self::Body => "response body (after the response head)",
            Self::BodyHint => {
                "size_hint or is_end_stream of the response body (after the response head)"
            }
            Self::BodyDrop => "drop of the response body",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
