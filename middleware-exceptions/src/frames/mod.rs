//! The stack at a failure, in readable form.

pub(crate) mod built;
pub(crate) mod elf;
pub(crate) mod folded;
pub(crate) mod frame;
pub(crate) mod lock;
pub(crate) mod modules;
pub(crate) mod names;
pub(crate) mod program;
pub(crate) mod resolve;
pub(crate) mod source;
pub(crate) mod symbols;

use std::{fmt, sync::Arc};

use crate::{
    failure::facts::Place,
    frames::{
        folded::{Folded, folded},
        frame::Frame,
    },
};

/// The frames of a failure, the outermost first, as Python has them.
#[derive(Debug, Default)]
pub struct Traceback {
    frames: Vec<Arc<Frame>>,
    is_truncated: bool,
    lacks_lines: bool,
    is_stripped: bool,
    note: Option<Note>,
    denies_unwrap: bool,
    place: Option<Place>,
}

/// Why a traceback has no frames, or not all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Too many failures at once: there is the place at most.
    TooMany,
    /// The panic hook did not run for this panic.
    Unseen,
    /// The error may stem from several panics: the frames are those that all of them share.
    Ambiguous,
    /// The error carries no backtrace, and knows no place.
    NoBacktrace,
}

impl Traceback {
    /// All frames, the outermost first.
    #[must_use]
    pub fn frames(&self) -> &[Arc<Frame>] {
        &self.frames
    }

    /// Yours one by one, those of others folded; what repeats itself once, with a count.
    pub fn folded(&self) -> impl DoubleEndedIterator<Item = Folded<'_>> {
        folded(&self.frames).into_iter()
    }

    /// Whether the stack was deeper than is kept, so that outer frames are missing.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Whether frames of yours have no file and line: built without debug information.
    #[must_use]
    pub fn lacks_lines(&self) -> bool {
        self.lacks_lines
    }

    /// Whether the program has no symbols, so that its frames are [offsets](Frame::offset) in its file.
    #[must_use]
    pub fn is_stripped(&self) -> bool {
        self.is_stripped
    }

    /// Whether the functions of the panic have names, and none is what std's `unwrap` and `expect` fail in.
    pub(crate) fn denies_unwrap(&self) -> bool {
        self.denies_unwrap
    }

    /// Where the error was made, if only its backtrace tells.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Why frames are missing, if they are.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        self.note
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many at once: of this failure only the place is shown, where it is known",
            Self::Unseen => {
                "no backtrace: the panic hook did not see this panic. It was raised by resume_unwind \
                 alone, or a hook installed after this layer (color-eyre) does not call the one before it"
            }
            Self::Ambiguous => {
                "more than one panic of the same literal or type could be meant: what all of them have in common is shown"
            }
            Self::NoBacktrace => {
                "no backtrace: gateway_core::Error knows where `?` met an error; anyhow and eyre take a \
                 backtrace where RUST_BACKTRACE=1 is set"
            }
        })
    }
}
