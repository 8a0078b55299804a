//! The stack at a failure.

use std::fmt;

use crate::{cause::Trace, report::Place};

/// The frames of a failure, the outermost first.
#[derive(Debug, Default)]
pub struct Traceback {
    note: Option<Note>,
}

/// Why a traceback has no frames, or not all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Too many failures at once.
    TooMany,
}

impl Traceback {
    /// Why frames are missing, if they are.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        self.note
    }

    pub(crate) fn without(_place: Option<&Place>, note: Note) -> Self {
        Self { note: Some(note) }
    }

    pub(crate) fn resolve(_trace: &Trace, _place: Option<&Place>) -> Self {
        Self::default()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many failures at once: frames were left out")
    }
}
