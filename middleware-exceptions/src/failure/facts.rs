//! The public types that describe a failure.

use std::{fmt, panic::Location};

use crate::text::shown;

/// How it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Something panicked.
    Panic,
    /// The service, or its response body, returned an error.
    Error,
}

/// Where in the handling of the request it failed.
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
    /// Work that goes on beside the request: see [`in_request`](crate::in_request).
    Detached,
}

/// One error in a chain of causes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainLink {
    /// The name of its type, where it is known.
    pub type_name: Option<String>,
    /// What its `Debug` begins with, where that is not the name of its type: mostly the variant of an enum.
    pub variant: Option<String>,
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

impl Place {
    pub(crate) fn of(location: &Location<'_>) -> Self {
        Self {
            file: shown::line(location.file(), 512),
            line: location.line(),
            column: location.column(),
        }
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
            Self::Detached => "detached work",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
