//! Turns a trace into a readable traceback.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use gateway_core::error::{Foreign, ForeignFrame};
use panic_capture::{Missing, guard};

use crate::{
    failure::{
        cause::Cause,
        facts::Place,
        trace::{AnyError, Trace, backtraces_enabled, foreign},
    },
    frames::{
        Note, Traceback,
        frame::Frame,
        names::Origin,
        program,
        source::{Excerpt, Sources},
        symbols,
    },
    text::shown,
};

impl Traceback {
    pub(crate) fn without(place: Option<&Place>, note: Note) -> Self {
        Self {
            frames: frame_at(place).into_iter().collect(),
            note: Some(note),
            ..Self::default()
        }
    }

    pub(crate) fn resolve(cause: &Cause) -> Self {
        let place = cause.location.as_ref();
        match &cause.trace {
            Trace::Missing(missing) => Self::without(place, note(*missing)),
            Trace::Addresses {
                frames,
                truncated,
                doubt,
            } => {
                let inlined = symbols::resolved(frames);
                let flat: Vec<_> = inlined
                    .iter()
                    .flat_map(|frames| frames.iter().cloned())
                    .collect();
                // Where not even the machinery of the panic has a name, there are no symbols to tell.
                let has = |name: &str| flat.iter().any(|frame| frame.is_marker(name));
                let denies_unwrap = has("panicking") && !has("unwrap_failed");
                let mut traceback = Self::of(flat, *truncated, place);
                traceback.denies_unwrap = denies_unwrap;
                traceback.note = doubt.map(note);
                traceback
            }
            Trace::Error => {
                if let Ok(Some(foreign_traceback)) =
                    guard(|| cause.error().and_then(foreign_traceback))
                {
                    return foreign_traceback;
                }
                let backtrace = cause.described().backtrace.as_deref();
                let printed = backtrace.map(printed).unwrap_or_default();
                let mut traceback = Self::of(printed, false, place);
                if place.is_none() {
                    traceback.place = traceback.innermost_place();
                }
                if traceback.frames.is_empty() {
                    traceback.note = Some(Note::NoBacktrace);
                }
                traceback
            }
        }
    }

    /// The frames of another language, recorded with the exception.
    fn foreign(foreign: &Foreign) -> Self {
        let frames = foreign.frames().iter();
        Self {
            frames: frames.map(|frame| Arc::new(foreign_frame(frame))).collect(),
            is_truncated: foreign.is_truncated(),
            ..Self::default()
        }
    }

    /// From all frames, the innermost first.
    fn of(mut frames: Vec<Arc<Frame>>, is_truncated: bool, place: Option<&Place>) -> Self {
        cut(&mut frames);
        if let Some(place) = place {
            correct_innermost(&mut frames, place);
        }
        frames.reverse();
        let lacks_lines = frames
            .iter()
            .any(|frame| frame.is_yours() && frame.line.is_none() && !frame.is_nameless());
        let is_stripped = frames
            .iter()
            .any(|frame| frame.is_yours() && frame.is_nameless());
        Self {
            frames,
            is_truncated,
            lacks_lines,
            is_stripped,
            note: None,
            denies_unwrap: false,
            place: None,
        }
    }

    /// That of the innermost frame of yours.
    fn innermost_place(&self) -> Option<Place> {
        let frame = self.frames.iter().rfind(|frame| frame.is_yours())?;
        Some(Place {
            file: frame.file.clone()?,
            line: frame.line?,
            column: frame.column.unwrap_or(1),
        })
    }
}

fn note(missing: Missing) -> Note {
    match missing {
        Missing::Ambiguous => Note::Ambiguous,
        Missing::TooMany => Note::TooMany,
        _ => Note::Unseen,
    }
}

/// Whether nothing slow is needed for a traceback.
pub(crate) fn is_ready(cause: &Cause) -> bool {
    let known = match &cause.trace {
        Trace::Addresses { frames, .. } => symbols::are_known(frames),
        Trace::Missing(_) => true,
        Trace::Error if guard(|| has_foreign_traceback(cause.error())).unwrap_or_default() => {
            return true;
        }
        // Printing a backtrace of std's symbolicates all of it.
        Trace::Error => !backtraces_enabled(),
    };
    // The line of source at the place comes from a file.
    known && cause.location.as_ref().is_none_or(is_frame_known)
}

/// The frames of an exception of another language, if it has some.
fn foreign_traceback(error: &AnyError) -> Option<Traceback> {
    let foreign = foreign(error.as_dyn())?;
    (!foreign.frames().is_empty()).then(|| Traceback::foreign(foreign))
}

fn has_foreign_traceback(error: Option<&AnyError>) -> bool {
    let foreign = error.and_then(|error| foreign(error.as_dyn()));
    foreign.is_some_and(|foreign| !foreign.frames().is_empty())
}

fn foreign_frame(frame: &ForeignFrame) -> Frame {
    let (first, lines) = frame.source();
    Frame {
        raw: shown::line(frame.function(), 512),
        function: shown::line(frame.function(), 512),
        is_async: false,
        is_closure: false,
        is_of_the_layer: false,
        origin: match frame.library() {
            Some(library) => Origin::Other(shown::line(library, 64).into()),
            None => Origin::Yours,
        },
        path: Some(frame.file().into()),
        file: Some(shown::line(frame.file(), 512)),
        line: Some(frame.line()),
        column: None,
        source: Excerpt::given(first, frame.line(), lines).map(Arc::new),
        offset: None,
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
    // Frames of raising the panic tell nothing that the line does not.
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
    // `catch_unwind` and the functions through which it calls us.
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
fn correct_innermost(frames: &mut Vec<Arc<Frame>>, place: &Place) {
    let known = frame_at(Some(place));
    let Some(known) = known else { return };
    let innermost = frames.iter_mut().find(|frame| frame.is_yours());
    let Some(frame) = innermost else {
        // The panic came from a dependency, with none of your code below the layer. Or no frames at all.
        if frames.is_empty() {
            frames.push(known);
        }
        return;
    };
    // Which of the frames without a name it is, nothing says: the innermost are those of the panic itself.
    if frame.is_nameless() {
        frames.insert(0, known);
        return;
    }
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
fn is_frame_known(place: &Place) -> bool {
    let placed = PLACED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (place.file.clone(), place.line);
    placed.as_ref().is_some_and(|map| map.contains_key(&key))
}

/// A frame for a place of which nothing else is known: the function by its source.
fn frame_at(place: Option<&Place>) -> Option<Arc<Frame>> {
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
    let file = Path::new(&place.file);
    let path = program::file(file).unwrap_or_else(|| file.to_owned());
    let mut frame = symbols::described(None, Some((&path, place.line, place.column)), &mut sources);
    if frame.path.as_deref().is_some_and(Path::is_relative) {
        frame.file = Some(place.file.clone());
    }
    // The place of the `?` or `panic!` is never folded away, whichever crate it is in.
    frame
}

/// The frames in a backtrace as std prints it, the innermost first.
fn printed(text: &str) -> Vec<Arc<Frame>> {
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
            Some((
                here.join(shown::line(file, 1024)),
                line.parse().ok()?,
                column.parse().ok()?,
            ))
        });
        if at.is_some() {
            lines.next();
        }
        let place = place
            .as_ref()
            .map(|(file, line, column)| (file.as_path(), *line, *column));
        frames.push(Arc::new(symbols::described(
            Some(&shown::line(name, 512)),
            place,
            &mut sources,
        )));
    }
    frames
}
