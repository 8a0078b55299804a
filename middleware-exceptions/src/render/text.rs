//! Plain text: Python's shape, for people and for logs.

use std::fmt::{self, Display, Write as _};

use crate::{
    failure::id::ErrorId,
    frames::{Traceback, folded::Folded, frame::Frame, names::Origin},
    report::Report,
    text::clean::Indented,
};

/// What production says, whatever has failed: always of one length.
pub(crate) fn fixed(id: ErrorId) -> String {
    format!(
        "The server failed to answer this request. The failure has been logged.\n\nError ID: {id}\n"
    )
}

impl Report {
    /// The traceback and all that is known, as plain text: what the log has.
    #[must_use]
    pub fn to_text(&self) -> String {
        page(self)
    }
}

/// All that is known.
pub(crate) fn page(report: &Report) -> String {
    let mut page = String::with_capacity(2048);
    // Writing to a string does not fail.
    _ = write(&mut page, report);
    page
}

fn write(page: &mut String, report: &Report) -> fmt::Result {
    tasks(page, report)?;
    causes(page, report)?;
    traceback(page, report.frames())?;
    writeln!(
        page,
        "{}: {}",
        heading(report),
        Indented(report.message(), "    ")
    )?;
    if let Some(hint) = report.hint() {
        writeln!(page, "Hint: {hint}")?;
    }
    writeln!(page)?;
    if let Some(place) = report.location() {
        write!(page, "Raised at {place}")?;
        match report.thread() {
            Some(thread) => writeln!(page, " on thread '{thread}'")?,
            None => writeln!(page)?,
        }
    }
    for (n, span) in report.spans().iter().enumerate() {
        let start = if n == 0 {
            "While in span"
        } else {
            "      in span"
        };
        match span.fields.as_str() {
            "" => writeln!(page, "{start} {}", span.name)?,
            fields => writeln!(page, "{start} {}{{{fields}}}", span.name)?,
        }
    }
    let request = report.request();
    if !request.path().is_empty() {
        if report.location().is_some() || !report.spans().is_empty() {
            writeln!(page)?;
        }
        write!(page, "Request: {} {}", request.method(), request.path())?;
        match request.version() {
            Some(version) => writeln!(page, " {version:?}")?,
            None => writeln!(page)?,
        }
        for (name, value) in request.headers() {
            writeln!(page, "  {name}: {}", Indented(value, "    "))?;
        }
    }
    writeln!(page, "Stage: {}", report.stage())?;
    writeln!(page, "Error ID: {}", report.id())?;
    notes(report, |note| writeln!(page, "Note: {note}"))
}

/// What the last line of a traceback begins with, as Python's does with the exception's type; the variant beside it.
pub(crate) fn heading(report: &Report) -> String {
    typed(report.exception_type(), report.variant())
}

/// `shop::Error (OutOfStock)`.
pub(crate) fn typed(type_name: Option<&str>, variant: Option<&str>) -> String {
    let type_name = type_name.unwrap_or("error");
    match variant {
        Some(variant) => format!("{type_name} ({variant})"),
        None => type_name.to_owned(),
    }
}

/// The panics of tasks, the first to panic first: each is what the next one awaited.
fn tasks(page: &mut String, report: &Report) -> fmt::Result {
    for panic in report.tasks().iter().rev() {
        write!(page, "Caused by the panic of task {}", panic.task())?;
        if let Some(place) = panic.location() {
            write!(page, ", raised at {place}")?;
        }
        if let Some(thread) = panic.thread() {
            write!(page, " on thread '{thread}'")?;
        }
        writeln!(page, ":\n")?;
        traceback(page, panic.frames())?;
        writeln!(page, "panic: {}", Indented(panic.message(), "    "))?;
        if let Some(id) = panic.first_id() {
            writeln!(page, "First reported under error id {id}")?;
        }
        if let Some(note) = panic.frames().note() {
            writeln!(page, "Note: {note}")?;
        }
        writeln!(
            page,
            "\nThe above panic was the direct cause of the following:\n"
        )?;
    }
    Ok(())
}

fn causes(page: &mut String, report: &Report) -> fmt::Result {
    if report.is_chain_cut() {
        writeln!(page, "... more causes, perhaps without end\n")?;
    }
    for link in report.chain().iter().rev() {
        let name = typed(link.type_name.as_deref(), link.variant.as_deref());
        writeln!(page, "{name}: {}", Indented(&link.message, "    "))?;
        writeln!(
            page,
            "\nThe above error was the direct cause of the following error:\n"
        )?;
    }
    Ok(())
}

fn traceback(page: &mut String, traceback: &Traceback) -> fmt::Result {
    if traceback.frames().is_empty() {
        return Ok(());
    }
    writeln!(page, "Traceback (most recent call last):")?;
    if traceback.is_truncated() {
        writeln!(page, "  ... more frames: the stack was deeper than is kept")?;
    }
    for folded in traceback.folded() {
        match folded {
            Folded::Others(frames) => writeln!(page, "  ... {}", hidden(frames))?,
            Folded::Repeated { frames, times } => {
                let frames = match frames.len() {
                    1 => "frame".to_owned(),
                    count => format!("{count} frames"),
                };
                writeln!(
                    page,
                    "  ... the previous {frames} repeated {times} more times"
                )?;
            }
            Folded::Frame(frame) => {
                match (frame.file(), frame.line()) {
                    (Some(file), Some(line))
                        if frame.raw_name().is_empty() && frame.function.is_empty() =>
                    {
                        writeln!(page, "  File \"{file}\", line {line}")?;
                    }
                    (Some(file), Some(line)) => {
                        writeln!(page, "  File \"{file}\", line {line}, in {}", frame.title())?;
                    }
                    _ => writeln!(page, "  In {}", unplaced(frame))?,
                }
                if let Some(source) = frame.source() {
                    writeln!(page, "    {}", source.line())?;
                }
            }
        }
    }
    Ok(())
}

/// With its unstripped file a stripped program's traceback is whole again. Takes what [`unplaced`] writes.
const STRIPPED: &str = "the program is stripped of its symbols. With an unstripped file of the same build id: \
     `addr2line -Cfipe UNSTRIPPED $(sed -n 's/^ *In .* \\(0x[0-9a-f]*\\).*/\\1/p' THIS_TEXT)`, or \
     `sed -n 's/^ *In .* \\(0x[0-9a-f]*\\).*/\\1/p' THIS_TEXT | llvm-symbolizer -Cfipe UNSTRIPPED`.";

/// A frame without a line of source: its name, and where it is in the program's file.
pub(crate) fn unplaced(frame: &Frame) -> String {
    match frame.offset() {
        Some(offset) if frame.is_nameless() => offset.to_string(),
        Some(offset) => format!("{}, {offset}", frame.title()),
        None => frame.title(),
    }
}

/// `14 frames hidden (hyper, tokio, tower)`.
pub(crate) fn hidden(frames: &[std::sync::Arc<Frame>]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for frame in frames {
        if let Origin::Other(name) = frame.origin()
            && !names.contains(&&**name)
        {
            names.push(name);
        }
    }
    let more = if names.len() > 6 { ", .." } else { "" };
    names.truncate(6);
    let count = frames.len();
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} frame{plural} hidden ({}{more})", names.join(", "))
}

/// What is missing, and what mends it.
pub(crate) fn notes(
    report: &Report,
    mut each: impl FnMut(&dyn Display) -> fmt::Result,
) -> fmt::Result {
    if let Some(note) = report.frames().note() {
        each(&note)?;
    }
    if let Some(id) = report.first_id() {
        each(&format_args!("first reported under error id {id}"))?;
    }
    if let [first, others @ ..] = report.candidates() {
        let mut places = first.to_string();
        for place in others {
            write!(places, ", {place}")?;
        }
        each(&format_args!("it was raised at one of {places}"))?;
    }
    for file in changed(report.frames()) {
        each(&format_args!(
            "{file} was changed after the program was built: its lines may not be those that ran."
        ))?;
    }
    if report.frames().is_stripped() {
        each(&STRIPPED)?;
    }
    if report.frames().lacks_lines() {
        each(
            &"set debug = \"line-tables-only\" in the profile for file names and lines of every frame.",
        )?;
    }
    Ok(())
}

/// The files that are newer than the program, each once.
fn changed(traceback: &Traceback) -> Vec<&str> {
    let mut files = Vec::new();
    for frame in traceback.frames() {
        if let (Some(file), Some(source)) = (frame.file(), frame.source())
            && source.is_newer()
            && !files.contains(&file)
        {
            files.push(file);
        }
    }
    files
}

/// As a field of a log record: begins on a line of its own, every line indented.
pub(crate) struct Log<'a>(pub(crate) &'a Report);

impl Display for Log<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n    {}", Indented(page(self.0).trim_end(), "    "))
    }
}
