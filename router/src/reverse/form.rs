//! What can be written for a pattern.

use regex_syntax::hir::{Hir, HirKind};

use crate::engine::class_ranges;
use crate::expression::Expression;

/// A pattern as its paths are written: what may be left out, and which way to choose, is decided for
/// the arguments that there are.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(super) kind: Kind,
    /// How many groups are written at least, and at most.
    pub(super) least: usize,
    pub(super) most: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text(String),
    /// One of these, the first unless the path that it makes is none.
    Char(char, char),
    /// The group of this number, from 0.
    Group(usize),
    Optional(Box<Form>),
    Either(Box<[Form]>),
    All(Box<[Form]>),
    /// So many times, with one argument for each group.
    Times(Box<Form>, usize),
}

/// A repetition is written no more often than this, and text no longer: a path ends somewhere.
const MOST_TIMES: usize = 1 << 10;
const LONGEST: usize = 1 << 16;

impl Form {
    pub(crate) fn new(pattern: &Expression) -> Self {
        Self::of(&pattern.hir())
    }

    fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::text(String::new()),
            HirKind::Literal(literal) => {
                Self::text(String::from_utf8_lossy(&literal.0).into_owned())
            }
            HirKind::Class(class) => {
                // Any member will do; the least surprising one.
                let ranges = class_ranges(class).unwrap_or_default();
                let Some(nicest) = nicest(&ranges) else {
                    return Self::text(String::new());
                };
                if is_open(&ranges) {
                    // Mostly a point that its author did not escape.
                    return Self::new_of(Kind::Char('.', nicest), 0, 0);
                }
                Self::text(nicest.to_string())
            }
            HirKind::Capture(capture) => {
                let group = (capture.index as usize).saturating_sub(1);
                Self::new_of(Kind::Group(group), 1, 1)
            }
            HirKind::Repetition(repetition) => {
                let has_groups = repetition.sub.properties().explicit_captures_len() > 0;
                match repetition.min as usize {
                    0 if has_groups => Self::optional(Self::of(&repetition.sub)),
                    0 => Self::text(String::new()),
                    times => Self::of(&repetition.sub).times(times),
                }
            }
            HirKind::Concat(parts) => Self::all(parts.iter().map(Self::of)),
            // Without groups in it one branch is as good as another.
            HirKind::Alternation(branches) if hir.properties().explicit_captures_len() == 0 => {
                branches
                    .first()
                    .map_or_else(|| Self::text(String::new()), Self::of)
            }
            HirKind::Alternation(branches) => Self::either(branches.iter().map(Self::of)),
        }
    }

    fn new_of(kind: Kind, least: usize, most: usize) -> Self {
        // Repetitions of repetitions: no URL has as many arguments.
        let most = most.min(1 << 20);
        Self { kind, least, most }
    }

    fn text(text: String) -> Self {
        Self::new_of(Kind::Text(text), 0, 0)
    }

    fn optional(form: Self) -> Self {
        let most = form.most;
        Self::new_of(Kind::Optional(Box::new(form)), 0, most)
    }

    fn either(branches: impl Iterator<Item = Self>) -> Self {
        let branches: Box<[Self]> = branches.collect();
        let least = branches.iter().map(|form| form.least).min();
        let most = branches.iter().map(|form| form.most).max();
        Self::new_of(
            Kind::Either(branches),
            least.unwrap_or(0),
            most.unwrap_or(0),
        )
    }

    fn all(parts: impl Iterator<Item = Self>) -> Self {
        let mut all: Vec<Self> = Vec::new();
        for part in parts {
            if let Kind::Text(text) = &part.kind
                && let Some(Self {
                    kind: Kind::Text(before),
                    ..
                }) = all.last_mut()
            {
                before.push_str(text);
            } else {
                all.push(part);
            }
        }
        let least = all.iter().map(|form| form.least).sum();
        let most = all.iter().map(|form| form.most).sum();
        Self::new_of(Kind::All(all.into()), least, most)
    }

    fn times(self, times: usize) -> Self {
        let times = times.min(MOST_TIMES);
        if let Kind::Text(text) = &self.kind {
            return Self::text(text.repeat(times.min(LONGEST / text.len().max(1))));
        }
        let (least, most) = (self.least, self.most.saturating_mul(times));
        Self::new_of(Kind::Times(Box::new(self), times), least, most)
    }

    /// Whether a group that `is` is among those that are written.
    pub(super) fn has(&self, is: &dyn Fn(usize) -> bool) -> bool {
        match &self.kind {
            Kind::Text(_) | Kind::Char(..) => false,
            Kind::Group(group) => is(*group),
            Kind::Optional(form) | Kind::Times(form, _) => form.has(is),
            Kind::Either(forms) | Kind::All(forms) => forms.iter().any(|form| form.has(is)),
        }
    }

    /// The groups that have to be written beside those that `is_given`, as few as will do.
    pub(super) fn lacks(&self, is_given: &dyn Fn(usize) -> bool) -> Vec<usize> {
        match &self.kind {
            Kind::Text(_) | Kind::Char(..) => Vec::new(),
            Kind::Group(group) if is_given(*group) => Vec::new(),
            Kind::Group(group) => vec![*group],
            Kind::Optional(form) if !form.has(is_given) => Vec::new(),
            Kind::Optional(form) | Kind::Times(form, _) => form.lacks(is_given),
            Kind::Either(forms) => {
                let lacks = forms.iter().map(|form| form.lacks(is_given));
                lacks.min_by_key(Vec::len).unwrap_or_default()
            }
            Kind::All(forms) => forms.iter().flat_map(|form| form.lacks(is_given)).collect(),
        }
    }
}

/// Whether a class leaves out some characters rather than listing some.
fn is_open(ranges: &[(u32, u32)]) -> bool {
    let has = |c: char| {
        let within = |&(start, end): &(u32, u32)| start <= c as u32 && c as u32 <= end;
        ranges.iter().any(within)
    };
    ['.', '!', '\u{10FFFF}'].into_iter().all(has)
}

fn nicest(ranges: &[(u32, u32)]) -> Option<char> {
    let preferred = [('0', '9'), ('a', 'z'), ('A', 'Z'), ('-', '-'), ('!', '~')];
    let within = |(low, high): (char, char)| {
        ranges
            .iter()
            .map(|&(start, end)| (start.max(low as u32), end.min(high as u32)))
            .find(|(start, end)| start <= end)
    };
    let (start, _) = preferred
        .into_iter()
        .find_map(within)
        .or_else(|| ranges.first().copied())?;
    char::from_u32(start)
}
