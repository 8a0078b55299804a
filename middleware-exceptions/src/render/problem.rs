//! `application/problem+json` (RFC 9457): for programs, and people who read their responses.

use std::fmt::{self, Display, Write as _};

use http::StatusCode;

use super::text;
use crate::{
    failure::id::ErrorId,
    frames::{Traceback, folded::Folded, frame::Frame},
    report::Report,
    task_panic::TaskPanic,
};

/// All that is known. The members that RFC 9457 section 3.1 names come first, ours (section 3.2) after.
pub(crate) fn page(report: &Report) -> String {
    let mut json = String::with_capacity(4096);
    // Writing to a string does not fail.
    _ = write(&mut json, report);
    json
}

/// What any client may know, and why it is no more.
pub(crate) fn withheld(id: ErrorId, status: StatusCode, why: &dyn Display) -> String {
    let title = status.canonical_reason().unwrap_or("Failure");
    format!(
        "{{\"type\":\"about:blank\",\"title\":{},\"status\":{},\"detail\":{},\"id\":\"{id}\"}}\n",
        Text(title),
        status.as_u16(),
        Text(&format!("No details here: {why}")),
    )
}

fn write(json: &mut String, report: &Report) -> fmt::Result {
    let status = report.status();
    // Section 4.2.1: with about:blank the title is the status.
    let title = status.canonical_reason().unwrap_or("Failure");
    write!(json, "{{\"type\":\"about:blank\",\"title\":{}", Text(title))?;
    write!(
        json,
        ",\"status\":{},\"detail\":{}",
        status.as_u16(),
        Text(report.message())
    )?;
    write!(
        json,
        ",\"id\":\"{}\",\"kind\":\"{}\"",
        report.id(),
        report.kind()
    )?;
    if let Some(name) = report.type_name() {
        write!(json, ",\"error_type\":{}", Text(name))?;
    }
    if let Some(variant) = report.variant() {
        write!(json, ",\"variant\":{}", Text(variant))?;
    }
    if let Some(hint) = report.hint() {
        write!(json, ",\"hint\":{}", Text(hint))?;
    }
    write!(json, ",\"stage\":{}", Text(&report.stage().to_string()))?;
    if let Some(place) = report.location() {
        write!(json, ",\"location\":{}", Text(&place.to_string()))?;
    }
    if let Some(thread) = report.thread() {
        write!(json, ",\"thread\":{}", Text(thread))?;
    }
    json.push_str(",\"causes\":[");
    for (n, link) in report.chain().iter().enumerate() {
        comma(json, n);
        write!(json, "{{\"message\":{}", Text(&link.message))?;
        if let Some(name) = &link.type_name {
            write!(json, ",\"error_type\":{}", Text(name))?;
        }
        if let Some(variant) = &link.variant {
            write!(json, ",\"variant\":{}", Text(variant))?;
        }
        json.push('}');
    }
    json.push_str("],\"tasks\":[");
    for (n, panic) in report.tasks().iter().enumerate() {
        comma(json, n);
        task(json, panic)?;
    }
    json.push_str("],");
    traceback(json, report.frames())?;
    json.push_str(",\"spans\":[");
    for (n, span) in report.spans().iter().enumerate() {
        comma(json, n);
        write!(
            json,
            "{{\"name\":{},\"fields\":{}}}",
            Text(&span.name),
            Text(&span.fields)
        )?;
    }
    let request = report.request();
    write!(
        json,
        "],\"request\":{{\"method\":{}",
        Text(request.method().as_str())
    )?;
    write!(json, ",\"path\":{},\"headers\":[", Text(request.path()))?;
    for (n, (name, value)) in request.headers().iter().enumerate() {
        comma(json, n);
        write!(json, "[{},{}]", Text(name), Text(value))?;
    }
    json.push_str("]},\"notes\":[");
    let mut n = 0;
    text::notes(report, |note| {
        comma(json, n);
        n += 1;
        write!(json, "{}", Text(&note.to_string()))
    })?;
    json.push_str("]}\n");
    Ok(())
}

fn traceback(json: &mut String, traceback: &Traceback) -> fmt::Result {
    json.push_str("\"traceback\":[");
    for (n, folded) in traceback.folded().enumerate() {
        comma(json, n);
        match folded {
            Folded::Others(frames) => {
                write!(json, "{{\"hidden\":{}}}", Text(&text::hidden(frames)))?;
            }
            Folded::Repeated { frames, times } => {
                let count = frames.len();
                write!(
                    json,
                    "{{\"repeated\":{{\"frames\":{count},\"times\":{times}}}}}"
                )?;
            }
            Folded::Frame(frame) => self::frame(json, frame)?,
        }
    }
    json.push(']');
    Ok(())
}

fn task(json: &mut String, panic: &TaskPanic) -> fmt::Result {
    write!(
        json,
        "{{\"task\":{},\"message\":{}",
        panic.task(),
        Text(panic.message())
    )?;
    if let Some(place) = panic.location() {
        write!(json, ",\"location\":{}", Text(&place.to_string()))?;
    }
    if let Some(thread) = panic.thread() {
        write!(json, ",\"thread\":{}", Text(thread))?;
    }
    if let Some(id) = panic.first_id() {
        write!(json, ",\"first_id\":\"{id}\"")?;
    }
    if let Some(note) = panic.frames().note() {
        write!(json, ",\"note\":{}", Text(&note.to_string()))?;
    }
    json.push(',');
    traceback(json, panic.frames())?;
    json.push('}');
    Ok(())
}

fn frame(json: &mut String, frame: &Frame) -> fmt::Result {
    write!(json, "{{\"function\":{}", Text(&frame.title()))?;
    if let (Some(file), Some(line)) = (frame.file(), frame.line()) {
        write!(json, ",\"file\":{},\"line\":{line}", Text(file))?;
    }
    if let Some(offset) = frame.offset() {
        let (module, address) = (Text(offset.module()), offset.address());
        write!(json, ",\"module\":{module},\"offset\":\"{address:#x}\"")?;
        if let Some(id) = offset.build_id() {
            write!(json, ",\"build_id\":{}", Text(id))?;
        }
    }
    if let Some(source) = frame.source() {
        write!(json, ",\"source\":{}", Text(source.line()))?;
    }
    json.push('}');
    Ok(())
}

fn comma(json: &mut String, n: usize) {
    if n > 0 {
        json.push(',');
    }
}

/// RFC 8259 section 7.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                char if u32::from(char) < 0x20 => write!(f, "\\u{:04x}", u32::from(char))?,
                char => f.write_char(char)?,
            }
        }
        f.write_char('"')
    }
}
