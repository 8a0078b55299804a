//! From a name and arguments back to a path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use regex_syntax::hir::Hir;

use self::encode::{can_be_sent, encode_raw, encode_relative};
use self::search::{Goal, Piece, Search};
use crate::engine::Words;
use crate::entry::Entry;
use crate::error::UrlForError;
use crate::expression;

mod args;
#[cfg(feature = "service")]
mod distance;
mod encode;
mod form;
mod search;
mod written;

pub use args::{Arg, ArgList, ArgValue, IntoArgs};
#[cfg(feature = "service")]
pub(crate) use distance::distance;
pub(crate) use encode::{encode, is_unsafe};
pub(crate) use form::Form;

/// The routes among which a URL has to find its own again.
pub(crate) trait Routes {
    fn entry(&self, id: u32) -> Option<&Entry>;
    /// The route that wins, were the text asked for.
    fn find(&self, text: &str) -> Option<u32>;
}

/// What the map will be asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The decoded path, which may stand by itself: its first segment must not look like a scheme.
    Relative,
    /// The decoded path, behind a slash.
    #[cfg_attr(
        not(feature = "service"),
        expect(dead_code, reason = "for the service")
    )]
    Rooted,
    /// The path as it was sent, behind a slash; the groups are decoded.
    #[cfg_attr(
        not(feature = "service"),
        expect(dead_code, reason = "for the service")
    )]
    Raw,
}

impl Mode {
    /// A value in the text that the map is asked with.
    fn written(self, value: &str) -> Cow<'_, str> {
        match self {
            Self::Relative | Self::Rooted => Cow::Borrowed(value),
            Self::Raw => Cow::Owned(encode_raw(value)),
        }
    }

    /// That text as it is sent.
    fn sent(self, text: &str) -> String {
        match self {
            Self::Relative => encode_relative(text),
            Self::Rooted => encode(text),
            Self::Raw => text.to_owned(),
        }
    }

    /// A group of that text as the value that it was.
    fn read(self, group: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Relative | Self::Rooted => Some(Cow::Borrowed(group)),
            Self::Raw => percent_decode_str(group).decode_utf8().ok(),
        }
    }
}

/// Ways to write one URL that are tried before it is given up: more fit the arguments only where
/// nothing tells which argument is whose.
const MOST_TRIES: usize = 256;

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
    let named = named(entry, args)?;
    let goal = match &named {
        Some(named) => Goal::Named(named),
        None => Goal::Count(args.0.len()),
    };
    let mut search = Search::new(entry.form(), goal);
    let mut first = None;
    for _ in 0..MOST_TRIES {
        if !search.advance() {
            break;
        }
        let values = values(&search.groups, named.as_deref(), args);
        for nicest in [true, false] {
            let url = Url {
                entry,
                text: write(&search.pieces, &values, nicest, mode),
                values: values.clone(),
                mode,
            };
            if let Some(sent) = url.leads_to(routes, id) {
                return Ok(sent);
            }
            if nicest {
                first.get_or_insert(url);
            }
            // There is but one way to write text and groups.
            if !search
                .pieces
                .iter()
                .any(|piece| matches!(piece, Piece::Char(..)))
            {
                break;
            }
        }
    }
    Err(match first {
        Some(url) => url.error(routes, id),
        None => no_form(entry, named.as_deref(), args),
    })
}

/// Arguments by group; `None` if they have no names.
fn named<'a>(
    entry: &Entry,
    args: &'a ArgList,
) -> Result<Option<Vec<Option<&'a str>>>, UrlForError> {
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
    let takes = entry.form().most.min(pattern.groups.len());
    if !any && args.0.len() > takes {
        return Err(UrlForError::Extra {
            pattern: source(),
            takes,
            given: args.0.len(),
        });
    }
    Ok(any.then_some(named))
}

/// The values of groups that are written, in their order.
fn values<'a>(
    groups: &[usize],
    named: Option<&[Option<&'a str>]>,
    args: &'a ArgList,
) -> Vec<(usize, &'a str)> {
    let value = |(place, &group): (usize, &usize)| {
        let value = match named {
            Some(named) => *named.get(group)?,
            None => args.0.get(place).map(|(_, value)| &**value),
        };
        Some((group, value?))
    };
    groups.iter().enumerate().filter_map(value).collect()
}

fn no_form(entry: &Entry, named: Option<&[Option<&str>]>, args: &ArgList) -> UrlForError {
    let pattern = entry.pattern.source.to_string();
    let is_given = |group: usize| match named {
        None => group < args.0.len(),
        Some(named) => named.get(group).is_some_and(Option::is_some),
    };
    // A group that every form needs and that has nothing.
    match entry.form().lacks(&is_given).first() {
        Some(&group) => UrlForError::Missing {
            pattern,
            group: group_name(entry, group),
        },
        None => UrlForError::NoSuchForm { pattern },
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

/// A path that may be a URL of a route.
struct Url<'a> {
    entry: &'a Entry,
    /// What the map will be asked with.
    text: String,
    /// Each group that is written, and what with.
    values: Vec<(usize, &'a str)>,
    mode: Mode,
}

impl Url<'_> {
    /// The path as it is sent, if it leads to the route and to the values.
    fn leads_to(&self, routes: &dyn Routes, id: u32) -> Option<String> {
        let sent = self.mode.sent(&self.text);
        let leads = self.arrives(&sent) && routes.find(&self.text) == Some(id) && self.reads_back();
        leads.then_some(sent)
    }

    /// Whether it comes to where it is meant to go, and as it is written.
    fn arrives(&self, sent: &str) -> bool {
        // Behind a slash that is put in front, one that an argument brought names another host.
        let foreign_slash = sent.starts_with('/') && !self.entry.pattern.match_begins_with_slash();
        !foreign_slash && !is_unsafe(sent) && can_be_sent(sent)
    }

    /// Why it does not lead to the route.
    fn error(&self, routes: &dyn Routes, id: u32) -> UrlForError {
        let entry = self.entry;
        let source = || entry.pattern.source.to_string();
        let sent = self.mode.sent(&self.text);
        let url = percent_decode_str(&sent).decode_utf8_lossy().into_owned();
        if !self.arrives(&sent) {
            return UrlForError::Unsafe { url };
        }
        let hir = entry.pattern.hir();
        for &(group, value) in &self.values {
            let Some(hir) = expression::group(&hir, group as u32 + 1) else {
                continue;
            };
            if !fits(hir, &self.mode.written(value)) {
                return UrlForError::Unfit {
                    pattern: source(),
                    group: group_name(entry, group),
                    expects: written::group_text(&entry.pattern.source, hir, group as u32 + 1),
                    value: value.into(),
                };
            }
        }
        let other = routes.find(&self.text).filter(|won| *won != id);
        match other.and_then(|other| routes.entry(other)) {
            // To read back takes for granted that the pattern matches.
            Some(other) if entry.is_match(&self.text) && self.reads_back() => {
                UrlForError::Shadowed {
                    pattern: source(),
                    by: other.pattern.source.to_string(),
                    url,
                }
            }
            _ => UrlForError::Ambiguous {
                pattern: source(),
                url,
            },
        }
    }

    fn reads_back(&self) -> bool {
        let args = self.entry.args(&self.text, Words::new(&self.text));
        let given = |group| self.values.iter().find(|(own, _)| *own == group);
        (0..args.len()).all(|group| match (given(group), args.get(group)) {
            (Some(_), None) => false,
            (Some((_, value)), Some(found)) => {
                self.mode.read(found).is_some_and(|found| found == *value)
            }
            (None, None) => true,
            // A group without an argument takes part only inside of one with one.
            (None, Some(_)) => is_inside(&self.entry.pattern.hir(), group, &self.values),
        })
    }
}

/// The text that the map is asked with.
fn write(pieces: &[Piece<'_>], values: &[(usize, &str)], nicest: bool, mode: Mode) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Char(nice, other) => text.push(if nicest { *nice } else { *other }),
            Piece::Group(group) => {
                let value = values.iter().find(|(own, _)| own == group);
                text.push_str(&mode.written(value.map_or("", |&(_, value)| value)));
            }
        }
    }
    text
}

fn is_inside(hir: &Hir, group: usize, values: &[(usize, &str)]) -> bool {
    values.iter().any(|&(outer, _)| {
        expression::group(hir, outer as u32 + 1)
            .is_some_and(|sub| expression::group(sub, group as u32 + 1).is_some())
    })
}

fn fits(hir: &Hir, value: &str) -> bool {
    let whole = expression::whole(expression::without_groups(hir));
    // An engine that cannot be made has nothing against the value.
    crate::engine::general(&whole, usize::MAX).map_or(true, |regex| regex.is_match(value))
}
