//! The stack at a failure, as people read it.

pub(crate) mod names;
pub(crate) mod program;
pub(crate) mod resolve;
pub(crate) mod source;
pub(crate) mod symbols;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    failure::facts::Place,
    frames::{names::Origin, source::Excerpt},
};

/// The frames of a failure, the outermost first, as Python has them.
#[derive(Debug, Default)]
pub struct Traceback {
    frames: Vec<Arc<Frame>>,
    is_truncated: bool,
    lacks_lines: bool,
    note: Option<Note>,
    denies_unwrap: bool,
    place: Option<Place>,
}

/// One function on the stack.
#[derive(Debug, Clone)]
pub struct Frame {
    pub(crate) raw: String,
    pub(crate) function: String,
    pub(crate) is_async: bool,
    pub(crate) is_closure: bool,
    pub(crate) is_of_the_layer: bool,
    pub(crate) origin: Origin,
    pub(crate) path: Option<PathBuf>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
    pub(crate) source: Option<Arc<Excerpt>>,
}

/// Why a traceback has no frames, or not all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Too many failures at once: there is the place at most.
    TooMany,
    /// The panic hook did not run for this panic.
    Unseen,
    /// More than one panic could be meant: there is what all of them have in common.
    Ambiguous,
    /// The error carries no backtrace, and knows no place.
    NoBacktrace,
}

/// What is said of the frames one after another: one of yours, or several of others'.
#[derive(Debug)]
pub enum Folded<'a> {
    /// Yours.
    Frame(&'a Frame),
    /// Those of others, together.
    Others(&'a [Arc<Frame>]),
}

impl Traceback {
    /// All frames, the outermost first.
    #[must_use]
    pub fn frames(&self) -> &[Arc<Frame>] {
        &self.frames
    }

    /// Yours one by one, those of others folded.
    pub fn folded(&self) -> impl Iterator<Item = Folded<'_>> {
        let runs = self.frames.chunk_by(|a, b| !a.is_yours() && !b.is_yours());
        runs.map(|run| match run {
            [frame] if frame.is_yours() => Folded::Frame(frame),
            others => Folded::Others(others),
        })
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

impl Frame {
    /// What to call it: `load_row`, `async show_order`, `closure in main`.
    #[must_use]
    pub fn title(&self) -> String {
        let place = || {
            let file = self
                .path
                .as_deref()
                .and_then(Path::file_name)
                .unwrap_or_default();
            format!("({}:{})", file.to_string_lossy(), self.line.unwrap_or(0))
        };
        match (self.function.as_str(), self.is_async, self.is_closure) {
            ("", _, _) if self.raw.contains("async_fn") => format!("async fn {}", place()),
            ("", _, _) if self.raw.contains("async") => format!("async block {}", place()),
            ("", _, true) => format!("closure {}", place()),
            ("", ..) => "unknown".into(),
            (name, true, _) => format!("async {name}"),
            (name, false, true) => format!("closure in {name}"),
            (name, ..) => name.into(),
        }
    }

    /// The name as the debug information has it.
    #[must_use]
    pub fn raw_name(&self) -> &str {
        &self.raw
    }

    /// Whose code it is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it is from no dependency and not from the standard library.
    #[must_use]
    pub fn is_yours(&self) -> bool {
        self.origin == Origin::Yours
    }

    /// The file, relative to the workspace root where it is below it.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The file as the debug information has it: mostly absolute.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// Counted from 1.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        self.column
    }

    /// The source around the line, where the file is still there and yours.
    #[must_use]
    pub fn source(&self) -> Option<&Excerpt> {
        self.source.as_deref()
    }

    fn is_marker(&self, name: &str) -> bool {
        self.raw.contains(name)
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
