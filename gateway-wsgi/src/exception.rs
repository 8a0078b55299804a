//! What Python raised, as an error of ours.

use std::collections::HashSet;

use gateway_core::Error;
use gateway_core::error::{Foreign, ForeignFrame};
use pyo3::exceptions::{PyBaseException, PyBaseExceptionGroup};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// So many frames are kept of one exception, the inner ones: enough for any honest stack, and few
/// enough for one that has recursed until Python gave up.
const FRAMES: usize = 128;

/// So many exceptions are told of a chain, groups included.
const DEPTH: usize = 32;

/// Lines of source before and after the one that raised.
const AROUND: u32 = 5;

/// The traceback as Python prints it.
pub(crate) fn printed(py: Python<'_>, error: &PyErr) -> String {
    let print = || -> PyResult<String> {
        let raised = value(py, error);
        let lines = py
            .import("traceback")?
            .call_method1("format_exception", (raised,))?;
        let lines: Vec<String> = lines.extract()?;
        Ok(lines.concat())
    };
    print().unwrap_or_else(|_| error.to_string())
}

/// The exception with its frames and causes, answered with 500.
pub(crate) fn error_of(py: Python<'_>, error: &PyErr) -> Error {
    Error::from_boxed(foreign(value(py, error)).into())
}

/// The exception, with its frames: before Python 3.12 these travel beside it.
fn value<'a, 'py>(py: Python<'py>, error: &'a PyErr) -> &'a Bound<'py, PyBaseException> {
    let value = error.value(py);
    if let Some(traceback) = error.traceback(py) {
        // What could go wrong: there would be fewer frames.
        _ = value.setattr(intern!(py, "__traceback__"), traceback);
    }
    value
}

fn foreign(raised: &Bound<'_, PyBaseException>) -> Foreign {
    let mut seen = HashSet::new();
    let mut chain = Vec::new();
    gather(raised, &mut seen, &mut chain);
    let mut chain = chain.into_iter().rev();
    let Some(mut told) = chain.next() else {
        return Foreign::new("Python", "BaseException", "");
    };
    for next in chain {
        told = next.with_cause(told);
    }
    told
}

/// An exception, the members of its group, and what it was raised because of: as Python shows them.
fn gather(
    raised: &Bound<'_, PyBaseException>,
    seen: &mut HashSet<usize>,
    chain: &mut Vec<Foreign>,
) {
    let mut next = Some(raised.clone());
    while let Some(raised) = next {
        // A cycle is possible.
        if chain.len() >= DEPTH || !seen.insert(raised.as_ptr().addr()) {
            return;
        }
        chain.push(alone(&raised));
        if let Ok(group) = raised.cast::<PyBaseExceptionGroup>()
            && let Ok(members) = group.getattr(intern!(raised.py(), "exceptions"))
            && let Ok(members) = members.cast_into::<PyTuple>()
        {
            for member in members.iter() {
                if let Ok(member) = member.cast_into::<PyBaseException>() {
                    gather(&member, seen, chain);
                }
            }
        }
        next = behind(&raised);
    }
}

/// `__cause__`, or `__context__` unless that is suppressed.
fn behind<'py>(raised: &Bound<'py, PyBaseException>) -> Option<Bound<'py, PyBaseException>> {
    let py = raised.py();
    let named = |name| raised.getattr(name).ok()?.cast_into().ok();
    named(intern!(py, "__cause__")).or_else(|| {
        let suppressed = raised.getattr(intern!(py, "__suppress_context__"));
        match suppressed.and_then(|it| it.is_truthy()) {
            Ok(false) => named(intern!(py, "__context__")),
            _ => None,
        }
    })
}

/// One exception, without what is behind it.
fn alone(raised: &Bound<'_, PyBaseException>) -> Foreign {
    let kind = raised.get_type();
    let name = kind.qualname().map(|name| name.to_string());
    let mut name = name.unwrap_or_else(|_| "BaseException".into());
    // As Python's traceback has it: of builtins the module goes without saying.
    if let Ok(module) = kind.module()
        && let Ok(module) = module.to_str()
        && !matches!(module, "builtins" | "__main__")
    {
        name = format!("{module}.{name}");
    }
    let mut told = Foreign::new("Python", name, message(raised));
    let (frames, is_truncated) = frames(raised).unwrap_or_default();
    for frame in frames {
        told = told.with_frame(frame);
    }
    match is_truncated {
        true => told.truncated(),
        false => told,
    }
}

/// What it says, with its notes below it.
fn message(raised: &Bound<'_, PyBaseException>) -> String {
    let mut message = match raised.str() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => "<exception str() failed>".into(),
    };
    let notes = raised.getattr(intern!(raised.py(), "__notes__"));
    let notes: Vec<String> = notes.and_then(|it| it.extract()).unwrap_or_default();
    for note in notes {
        message.push('\n');
        message.push_str(&note);
    }
    message
}

fn frames(raised: &Bound<'_, PyBaseException>) -> PyResult<(Vec<ForeignFrame>, bool)> {
    let py = raised.py();
    let linecache = py.import(intern!(py, "linecache"))?;
    let getlines = linecache.getattr(intern!(py, "getlines"))?;
    let standard = standard_library(py).unwrap_or_default();
    let mut stack = Vec::new();
    let mut next = raised.getattr(intern!(py, "__traceback__"))?;
    while !next.is_none() {
        let after = next.getattr(intern!(py, "tb_next"))?;
        stack.push(next);
        next = after;
    }
    let skipped = stack.len().saturating_sub(FRAMES);
    let mut frames = Vec::with_capacity(stack.len() - skipped);
    for traceback in stack.into_iter().skip(skipped) {
        let frame = traceback.getattr(intern!(py, "tb_frame"))?;
        let code = frame.getattr(intern!(py, "f_code"))?;
        let file: String = code.getattr(intern!(py, "co_filename"))?.extract()?;
        // Before 3.11 there is the plain name alone.
        let name = code
            .getattr(intern!(py, "co_qualname"))
            .or_else(|_| code.getattr(intern!(py, "co_name")))?;
        // None where no line of the source is meant.
        let line = traceback.getattr(intern!(py, "tb_lineno"))?;
        let line: u32 = line.extract().unwrap_or_default();
        let globals = frame.getattr(intern!(py, "f_globals"))?;
        let told = ForeignFrame::new(&*file, line, name.str()?.to_string_lossy());
        let told = match library(&file, &standard) {
            Some(library) => told.with_library(library),
            None => told,
        };
        let lines = getlines.call1((&file, globals));
        let lines: Vec<String> = lines.and_then(|it| it.extract()).unwrap_or_default();
        let first = line.saturating_sub(AROUND).max(1);
        let lines = lines.into_iter().skip(first as usize - 1);
        let lines = lines.take((line.saturating_add(AROUND) - first) as usize + 1);
        frames.push(told.with_source(first, lines.collect()));
    }
    Ok((frames, skipped > 0))
}

fn standard_library(py: Python<'_>) -> PyResult<String> {
    let sysconfig = py.import(intern!(py, "sysconfig"))?;
    sysconfig
        .call_method1(intern!(py, "get_path"), ("stdlib",))?
        .extract()
}

/// Whose code a file is, if not the program's own.
fn library(file: &str, standard: &str) -> Option<String> {
    for folder in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, below)) = file.rsplit_once(folder) {
            let name = below.split('/').next().unwrap_or(below);
            return Some(name.strip_suffix(".py").unwrap_or(name).to_owned());
        }
    }
    let frozen = file.starts_with("<frozen");
    let standard = !standard.is_empty() && file.starts_with(standard);
    (frozen || standard).then(|| "python".to_owned())
}

#[cfg(test)]
mod tests {
    use super::library;

    #[test]
    fn a_file_is_the_programs_own_unless_it_is_installed() {
        let rows = [
            ("/srv/shop/views.py", None),
            (
                "/v/lib/python3.11/site-packages/flask/app.py",
                Some("flask"),
            ),
            ("/v/lib/python3.11/site-packages/bottle.py", Some("bottle")),
            ("/usr/lib/python3/dist-packages/x/y.py", Some("x")),
            ("/usr/lib/python3.11/json/decoder.py", Some("python")),
            ("<frozen importlib._bootstrap>", Some("python")),
            ("<string>", None),
        ];
        for (file, expected) in rows {
            assert_eq!(
                library(file, "/usr/lib/python3.11").as_deref(),
                expected,
                "{file}"
            );
        }
    }
}
