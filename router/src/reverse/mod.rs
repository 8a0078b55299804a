//! From a name and arguments back to a path.

use std::borrow::Cow;

use regex_syntax::hir::Hir;

use self::encode::{can_be_sent, encode, encode_raw};
use self::shape::Piece;
use crate::engine::Words;
use crate::entry::Entry;
use crate::error::UrlForError;
use crate::pattern;

mod args;
#[cfg(feature = "service")]
mod distance;
mod encode;
mod shape;
mod written;

pub use args::{Arg, ArgList, ArgValue, IntoArgs};
#[cfg(feature = "service")]
pub(crate) use distance::distance;
pub(crate) use encode::is_unsafe;
pub(crate) use shape::{Shape, ends_openly};

/// The routes among which a URL has to find its own again.
pub(crate) trait Routes {
    fn entry(&self, id: u32) -> Option<&Entry>;
    /// The route that wins, were the text asked for.
    fn find(&self, text: &str) -> Option<u32>;
}

/// What the map will be asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The decoded path.
    Decoded,
    /// The path as it was sent; the groups are decoded.
    #[cfg_attr(
        not(feature = "service"),
        expect(dead_code, reason = "only the service has raw paths")
    )]
    Raw,
}

/// The encoded path to a route.
pub(crate) fn reverse(
    routes: &dyn Routes,
    id: u32,
    args: &ArgList,
    mode: Mode,
) -> Result<String, UrlForError> {
    let Some(entry) = routes.entry(id) else {
        return Err(UrlForError::UnknownName {
            name: id.to_string(),
        });
    };
    let by_group = assign(entry, args)?;
    let mut first_error = None;
    for shape in entry.shapes() {
        let Some(values) = values(shape, &by_group, args) else {
            continue;
        };
        match attempt(routes, id, entry, shape, &values, mode) {
            Ok(encoded) => return Ok(encoded),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| no_shape(entry, &by_group, args)))
}

/// Arguments by group; those by position stay as they are.
enum Assigned<'a> {
    Positional,
    Named(Vec<Option<&'a str>>),
}

fn assign<'a>(entry: &Entry, args: &'a ArgList) -> Result<Assigned<'a>, UrlForError> {
    let pattern = &entry.pattern;
    let source = || pattern.source.to_string();
    let mut named = vec![None; pattern.groups.len()];
    let mut any = false;
    for (name, value) in &args.0 {
        let Some(name) = name else { continue };
        any = true;
        let position = pattern
            .groups
            .iter()
            .position(|group| group.as_deref() == Some(name));
        let Some(slot) = position.and_then(|at| named.get_mut(at)) else {
            return Err(UrlForError::UnknownArgument {
                pattern: source(),
                argument: name.to_string(),
            });
        };
        if slot.replace(&**value).is_some() {
            return Err(UrlForError::Twice {
                argument: name.to_string(),
            });
        }
    }
    if !any {
        let takes = entry
            .shapes()
            .iter()
            .map(|shape| shape.groups().count())
            .max()
            .unwrap_or(0);
        if args.0.len() > takes {
            return Err(UrlForError::Extra {
                pattern: source(),
                takes,
                given: args.0.len(),
            });
        }
        return Ok(Assigned::Positional);
    }
    Ok(Assigned::Named(named))
}

/// The values of a shape's groups in its order; `None` if it does not take
/// exactly the arguments that there are.
fn values<'a>(
    shape: &Shape,
    assigned: &Assigned<'a>,
    args: &'a ArgList,
) -> Option<Vec<(usize, &'a str)>> {
    let mut groups: Vec<usize> = Vec::new();
    for group in shape.groups() {
        // A repeated group is one argument.
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    match assigned {
        Assigned::Positional => (groups.len() == args.0.len()).then(|| {
            groups
                .into_iter()
                .zip(args.0.iter().map(|(_, value)| &**value))
                .collect()
        }),
        Assigned::Named(named) => {
            if groups.len() != named.iter().flatten().count() {
                return None;
            }
            groups
                .into_iter()
                .map(|group| Some((group, (*named.get(group)?)?)))
                .collect()
        }
    }
}

fn no_shape(entry: &Entry, assigned: &Assigned<'_>, args: &ArgList) -> UrlForError {
    let pattern = entry.pattern.source.to_string();
    let given = |group: usize| match assigned {
        Assigned::Positional => group < args.0.len(),
        Assigned::Named(named) => named.get(group).copied().flatten().is_some(),
    };
    // The group that every form needs and that has nothing.
    let needed = entry.shapes().iter().map(|shape| {
        shape
            .groups()
            .filter(|&group| !given(group))
            .collect::<Vec<_>>()
    });
    match needed.min_by_key(Vec::len).as_deref() {
        Some([group, ..]) => UrlForError::Missing {
            pattern,
            group: group_name(entry, *group),
        },
        _ => UrlForError::NoSuchForm { pattern },
    }
}

fn group_name(entry: &Entry, group: usize) -> String {
    entry
        .pattern
        .groups
        .get(group)
        .and_then(|name| name.as_deref())
        .map_or_else(|| group.to_string(), Into::into)
}

fn attempt(
    routes: &dyn Routes,
    id: u32,
    entry: &Entry,
    shape: &Shape,
    values: &[(usize, &str)],
    mode: Mode,
) -> Result<String, UrlForError> {
    let source = || entry.pattern.source.to_string();
    let text = write(shape, values, mode);
    let encoded = match mode {
        Mode::Decoded => encode(&text),
        Mode::Raw => text.clone(),
    };
    let decoded = || {
        percent_encoding::percent_decode_str(&encoded)
            .decode_utf8_lossy()
            .into_owned()
    };
    // Behind a slash that is put in front, one that an argument brought names another host.
    let foreign_slash = encoded.starts_with('/') && !entry.pattern.match_begins_with_slash();
    if foreign_slash || is_unsafe(&encoded) || !can_be_sent(&encoded) {
        return Err(UrlForError::Unsafe { url: decoded() });
    }
    let won = routes.find(&text);
    if won == Some(id) && reads_back(entry, &text, values, mode) {
        return Ok(encoded);
    }
    // It did not work: find out why.
    for &(group, value) in values {
        let hir = entry.pattern.hir();
        let Some(hir) = pattern::group(&hir, group as u32 + 1) else {
            continue;
        };
        let in_path = match mode {
            Mode::Decoded => Cow::Borrowed(value),
            Mode::Raw => Cow::Owned(encode_raw(value)),
        };
        if !fits(hir, &in_path) {
            return Err(UrlForError::Unfit {
                pattern: source(),
                group: group_name(entry, group),
                expects: written::group_text(&entry.pattern.source, hir, group as u32 + 1),
                value: value.into(),
            });
        }
    }
    match won.and_then(|won| routes.entry(won)) {
        // To read back takes for granted that the pattern matches.
        Some(other)
            if won != Some(id)
                && entry.is_match(&text)
                && reads_back(entry, &text, values, mode) =>
        {
            Err(UrlForError::Shadowed {
                pattern: source(),
                by: other.pattern.source.to_string(),
                url: decoded(),
            })
        }
        _ => Err(UrlForError::Ambiguous {
            pattern: source(),
            url: decoded(),
        }),
    }
}

/// The text that the map is asked with.
fn write(shape: &Shape, values: &[(usize, &str)], mode: Mode) -> String {
    let mut text = String::new();
    for piece in &shape.pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Group(group) => {
                let value = values
                    .iter()
                    .find(|(own, _)| own == group)
                    .map_or("", |&(_, value)| value);
                match mode {
                    Mode::Decoded => text.push_str(value),
                    Mode::Raw => text.push_str(&encode_raw(value)),
                }
            }
        }
    }
    text
}

fn reads_back(entry: &Entry, text: &str, values: &[(usize, &str)], mode: Mode) -> bool {
    let args = entry.args(text, Words::new(text));
    let same = |found: Option<&str>, value: &str| match (mode, found) {
        (_, None) => false,
        (Mode::Decoded, Some(found)) => found == value,
        (Mode::Raw, Some(found)) => percent_encoding::percent_decode_str(found)
            .decode_utf8()
            .is_ok_and(|found| found == value),
    };
    (0..args.len()).all(|group| match values.iter().find(|(own, _)| *own == group) {
        Some((_, value)) => same(args.get(group), value),
        // A group without an argument takes part only inside of one with one.
        None => args.get(group).is_none() || is_inside(&entry.pattern.hir(), group, values),
    })
}

fn is_inside(hir: &Hir, group: usize, values: &[(usize, &str)]) -> bool {
    values.iter().any(|&(outer, _)| {
        pattern::group(hir, outer as u32 + 1)
            .is_some_and(|sub| pattern::group(sub, group as u32 + 1).is_some())
    })
}

fn fits(hir: &Hir, value: &str) -> bool {
    let whole = pattern::whole(pattern::without_groups(hir));
    // An engine that cannot be made has nothing against the value.
    crate::engine::general(&whole, usize::MAX).map_or(true, |regex| regex.is_match(value))
}
