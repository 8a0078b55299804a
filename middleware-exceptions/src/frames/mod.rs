//! The stack at a failure, as people read it.

pub(crate) mod names;
pub(crate) mod source;
pub(crate) mod symbols;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use panic_capture::{Missing, discard, guard};

use crate::{
    failure::facts::Place,
    failure::trace::{AnyError, Trace},
    frames::names::Origin,
    frames::source::{Excerpt, Sources},
};

/// The frames of a failure, the outermost first, as Python has them.
#[derive(Debug, Default)]
pub struct Traceback {
    frames: Vec<Arc<Frame>>,
    is_truncated: bool,
    lacks_lines: bool,
    note: Option<Note>,
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
    /// Too many failures at once.
    TooMany,
    /// The panic hook did not run for this panic.
    Unseen,
    /// The frames of more than one panic could be meant.
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

    /// Why frames are missing, if they are.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        self.note
    }

    pub(crate) fn without(place: Option<&Place>, note: Note) -> Self {
        Self {
            frames: placed(place).into_iter().collect(),
            note: Some(note),
            ..Self::default()
        }
    }

    pub(crate) fn resolve(trace: &Trace, place: Option<&Place>) -> Self {
        match trace {
            Trace::Missing(Missing::Ambiguous) => Self::without(place, Note::Ambiguous),
            Trace::Missing(_) => Self::without(place, Note::Unseen),
            Trace::Addresses { frames, truncated } => {
                let inlined = symbols::resolved(frames);
                let flat = inlined
                    .iter()
                    .flat_map(|frames| frames.iter().cloned())
                    .collect();
                Self::of(flat, *truncated, place)
            }
            Trace::Error(error) => {
                let printed = symbols::backtraces_enabled()
                    .then(|| error.get().and_then(printed))
                    .flatten()
                    .unwrap_or_default();
                let mut traceback = Self::of(printed, false, place);
                if traceback.frames.is_empty() {
                    traceback.note = Some(Note::NoBacktrace);
                }
                traceback
            }
        }
    }

    /// From all frames, the innermost first.
    fn of(mut frames: Vec<Arc<Frame>>, is_truncated: bool, place: Option<&Place>) -> Self {
        cut(&mut frames);
        if let Some(place) = place {
            put_right(&mut frames, place);
        }
        frames.reverse();
        let lacks_lines = frames
            .iter()
            .any(|frame| frame.is_yours() && frame.line.is_none());
        Self {
            frames,
            is_truncated,
            lacks_lines,
            note: None,
        }
    }
}

/// Leaves out how a panic is raised and caught: what is within the end marker of std, and
/// what is around this layer (or the start of a thread).
fn cut(frames: &mut Vec<Arc<Frame>>) {
    let end = frames
        .iter()
        .rposition(|frame| frame.is_marker("__rust_end_short_backtrace"));
    if let Some(end) = end {
        frames.drain(..=end);
    }
    // What is left of raising: says nothing that the line does not.
    let raising = [
        "rust_begin_unwind",
        "core::panicking::panic_fmt",
        "std::panicking::begin_panic",
    ];
    while frames
        .first()
        .is_some_and(|frame| raising.iter().any(|name| frame.is_marker(name)))
    {
        frames.remove(0);
    }
    let start = frames
        .iter()
        .position(|frame| frame.is_of_the_layer || frame.is_marker("__rust_begin_short_backtrace"));
    if let Some(start) = start {
        frames.truncate(start);
    }
    // `catch_unwind` and what it calls us through.
    let is_catching = |frame: &Arc<Frame>| {
        [
            "__rust_try",
            "catch_unwind",
            "std::panicking::",
            "do_call",
            "AssertUnwindSafe",
            "call_once",
        ]
        .iter()
        .any(|part| frame.raw.contains(part))
            && !frame.is_yours()
    };
    while frames.last().is_some_and(is_catching) {
        frames.pop();
    }
}

/// The place of a panic is known for certain, by `#[track_caller]`: the innermost frame in its
/// file is there, whatever the line tables say.
fn put_right(frames: &mut Vec<Arc<Frame>>, place: &Place) {
    let known = placed(Some(place));
    let Some(known) = known else { return };
    let innermost = frames.iter_mut().find(|frame| frame.is_yours());
    let Some(frame) = innermost else {
        // A panic of somebody else's, with nothing of yours below the layer. Or no frames at all.
        if frames.is_empty() {
            frames.push(known);
        }
        return;
    };
    let same_file = frame
        .path
        .as_deref()
        .is_some_and(|path| is_same(path, &place.file));
    if same_file && frame.line == Some(place.line) {
        if frame.column != Some(place.column) {
            Arc::make_mut(frame).column = Some(place.column);
        }
    } else if frame.path.is_none() || same_file {
        let frame = Arc::make_mut(frame);
        frame.path.clone_from(&known.path);
        frame.file.clone_from(&known.file);
        frame.line = known.line;
        frame.column = known.column;
        frame.source.clone_from(&known.source);
    }
}

/// Whether a path of the debug information is the file of a `Location`, which may be relative.
fn is_same(path: &Path, file: &str) -> bool {
    path.ends_with(Path::new(file))
}

type Placed = HashMap<(String, u32), Option<Arc<Frame>>>;

static PLACED: Mutex<Option<Placed>> = Mutex::new(None);

/// Whether the source at the place has been looked for.
pub(crate) fn is_placed(place: &Place) -> bool {
    let placed = PLACED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (place.file.clone(), place.line);
    placed.as_ref().is_some_and(|map| map.contains_key(&key))
}

/// A frame for a place of which nothing else is known: the function by its source.
fn placed(place: Option<&Place>) -> Option<Arc<Frame>> {
    let place = place?;
    let key = (place.file.clone(), place.line);
    let mut placed = PLACED.lock().unwrap_or_else(PoisonError::into_inner);
    let map = placed.get_or_insert_default();
    if map.len() >= 1024 {
        map.clear();
    }
    map.entry(key)
        .or_insert_with(|| Some(Arc::new(looked_up(place))))
        .clone()
}

fn looked_up(place: &Place) -> Frame {
    let mut sources = Sources::default();
    // Relative to the root of the workspace, which is above where we run, or above what runs.
    let file = Path::new(&place.file);
    let starts = [std::env::current_dir(), std::env::current_exe()].map(Result::unwrap_or_default);
    let path = starts
        .iter()
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join(file))
        .find(|path| path.is_file());
    let path = path.unwrap_or_else(|| file.to_owned());
    let mut frame = symbols::described(None, Some((&path, place.line, place.column)), &mut sources);
    if frame.path.as_deref().is_some_and(Path::is_relative) {
        frame.file = Some(place.file.clone());
    }
    // Whoever `?` or `panic!` is, the place is not folded away.
    frame
}

/// The frames in a backtrace as std prints it, the innermost first.
fn printed(error: &AnyError) -> Option<Vec<Arc<Frame>>> {
    let text = guard(|| error.printed_backtrace()).unwrap_or_else(|caught| {
        discard(caught.payload);
        None
    })?;
    let here = std::env::current_dir().unwrap_or_default();
    let mut sources = Sources::default();
    let mut frames = Vec::new();
    let mut lines = text.lines().take(4096).peekable();
    while let Some(line) = lines.next() {
        let Some((number, name)) = line.trim_start().split_once(": ") else {
            continue;
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) || number.is_empty() {
            continue;
        }
        let at = lines
            .peek()
            .and_then(|next| next.trim_start().strip_prefix("at "));
        let place = at.and_then(|at| {
            let (rest, column) = at.rsplit_once(':')?;
            let (file, line) = rest.rsplit_once(':')?;
            Some((here.join(file), line.parse().ok()?, column.parse().ok()?))
        });
        if at.is_some() {
            lines.next();
        }
        let place = place
            .as_ref()
            .map(|(file, line, column)| (file.as_path(), *line, *column));
        frames.push(Arc::new(symbols::described(
            Some(name),
            place,
            &mut sources,
        )));
    }
    Some(frames)
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
            Self::TooMany => "too many failures at once: only the place is shown",
            Self::Unseen => {
                "no backtrace: the panic hook did not see this panic. It was raised by resume_unwind \
                 alone, or a hook installed after this layer (color-eyre) does not call the one before it"
            }
            Self::Ambiguous => {
                "no backtrace: more than one panic of the same literal or type could be meant"
            }
            Self::NoBacktrace => {
                "no backtrace: gateway_core::Error knows where `?` met an error; anyhow and eyre take a \
                 backtrace where RUST_BACKTRACE=1 is set"
            }
        })
    }
}
