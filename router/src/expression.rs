//! One pattern of the list: what was written, and what it means.

use std::borrow::Cow;

use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};

use crate::error::{BuildError, Place};

/// The names of the groups of a pattern, the first group first.
pub(crate) type GroupNames = Box<[Option<Box<str>>]>;

#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// As it was written, for people.
    pub(crate) source: Box<str>,
    form: Form,
    /// The source is this very expression.
    from_source: bool,
    pub(crate) groups: GroupNames,
}

/// What the pattern means. The tree takes ten times the bytes of the text and is
/// rarely asked once a map is built.
#[derive(Clone, Debug)]
enum Form {
    Tree(Hir),
    /// The source, parsed, gives it.
    Source,
    /// This, parsed, gives it.
    Text(Box<str>),
}

impl Expression {
    /// A regular expression, as the `regex` crate reads it.
    pub(crate) fn regex(source: &str) -> Result<Self, BuildError> {
        let hir = parse(source, source, 0)?;
        let mut pattern = Self::from_hir(source, hir);
        pattern.from_source = true;
        Ok(pattern)
    }

    /// One that must match the whole text.
    pub(crate) fn full(source: &str) -> Result<Self, BuildError> {
        let pattern = Self::regex(source)?;
        Ok(Self::from_hir(source, whole(pattern.into_hir())))
    }

    pub(crate) fn from_hir(source: &str, hir: Hir) -> Self {
        let mut groups = Vec::new();
        collect_groups(&hir, &mut groups);
        Self {
            source: source.into(),
            form: Form::Tree(hir),
            from_source: false,
            groups: groups.into(),
        }
    }

    /// The expression.
    pub(crate) fn hir(&self) -> Cow<'_, Hir> {
        let text = match &self.form {
            Form::Tree(hir) => return Cow::Borrowed(hir),
            Form::Source => &self.source,
            Form::Text(text) => text,
        };
        // Checked by `compact`.
        Cow::Owned(regex_syntax::parse(text).unwrap_or_else(|_| Hir::fail()))
    }

    fn into_hir(self) -> Hir {
        self.hir().into_owned()
    }

    /// Keeps the text in place of the tree, where it gives the same tree again.
    pub(crate) fn compact(&mut self) {
        let Form::Tree(hir) = &self.form else { return };
        let gives = |text: &str| regex_syntax::parse(text).is_ok_and(|parsed| parsed == *hir);
        if self.from_source || gives(&self.source) {
            self.form = Form::Source;
            return;
        }
        let printed = hir.to_string();
        if gives(&printed) {
            self.form = Form::Text(printed.into());
        }
    }

    pub(crate) fn is_anchored(&self) -> bool {
        self.hir()
            .properties()
            .look_set_prefix()
            .contains(Look::Start)
    }

    /// Whether every match begins at the start and with a slash.
    #[cfg(feature = "service")]
    pub(crate) fn begins_with_slash(&self) -> bool {
        self.is_anchored() && self.match_begins_with_slash()
    }

    /// Whether what it matches always begins with a slash, wherever that is in the text.
    pub(crate) fn match_begins_with_slash(&self) -> bool {
        first_is_slash(&self.hir()) == Some(true)
    }

    pub(crate) fn is_anchored_at_end(&self) -> bool {
        self.hir()
            .properties()
            .look_set_suffix()
            .contains(Look::End)
    }

    /// Whether it ends with a repetition without an upper limit.
    pub(crate) fn ends_openly(&self) -> bool {
        is_open(&self.hir(), <[Hir]>::last)
    }

    /// Whether it begins with one.
    #[cfg(feature = "service")]
    pub(crate) fn begins_openly(&self) -> bool {
        is_open(&self.hir(), <[Hir]>::first)
    }

    /// This pattern in front of another one, whose `^` then means the place
    /// where this one ends.
    pub(crate) fn join(&self, below: &Self) -> Result<Self, BuildError> {
        let source = format!(
            "{}{}",
            self.source,
            below.source.strip_prefix('^').unwrap_or(&below.source)
        );
        if self.hir().properties().look_set().contains(Look::End) {
            return Err(BuildError::IncludeAnchored {
                prefix: self.source.clone().into(),
            });
        }
        for name in below.groups.iter().flatten() {
            if self.groups.iter().flatten().any(|other| other == name) {
                return Err(BuildError::DuplicateGroup {
                    pattern: source,
                    group: name.to_string(),
                });
            }
        }
        let shift = self.groups.len() as u32;
        let rest = if !below.hir().properties().look_set().contains(Look::Start) {
            // Searched for in what is left, as Django does.
            Hir::concat(vec![anything(), renumber(&below.hir(), shift, false)])
        } else if below.is_anchored() {
            renumber(&below.hir(), shift, true)
        } else {
            return Err(BuildError::IncludeMixed {
                pattern: below.source.clone().into(),
            });
        };
        Ok(Self::from_hir(
            &source,
            Hir::concat(vec![self.hir().into_owned(), rest]),
        ))
    }
}

/// Parses a part of what was written, which begins `offset` bytes into it.
pub(crate) fn parse(part: &str, whole: &str, offset: usize) -> Result<Hir, BuildError> {
    regex_syntax::Parser::new().parse(part).map_err(|error| {
        let (start, end, reason) = match &error {
            regex_syntax::Error::Parse(error) => (
                error.span().start.offset,
                error.span().end.offset,
                error.kind().to_string(),
            ),
            regex_syntax::Error::Translate(error) => (
                error.span().start.offset,
                error.span().end.offset,
                error.kind().to_string(),
            ),
            _ => (0, part.len(), error.to_string()),
        };
        BuildError::Syntax {
            place: Place::new(whole, offset + start..offset + end),
            reason,
        }
    })
}

/// `^(?:hir)$`
pub(crate) fn whole(hir: Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
}

/// `(?s:.*?)`
fn anything() -> Hir {
    Hir::repetition(Repetition {
        min: 0,
        max: None,
        greedy: false,
        sub: Box::new(Hir::dot(regex_syntax::hir::Dot::AnyChar)),
    })
}

/// The same expression with its groups counted from `shift` on.
fn renumber(hir: &Hir, shift: u32, drop_start: bool) -> Hir {
    rebuild(hir, &mut |kind| match kind {
        HirKind::Look(Look::Start) if drop_start => Some(Hir::empty()),
        HirKind::Capture(capture) => Some(Hir::capture(Capture {
            index: capture.index + shift,
            name: capture.name.clone(),
            sub: Box::new(renumber(&capture.sub, shift, drop_start)),
        })),
        _ => None,
    })
}

/// The same expression without its groups.
pub(crate) fn without_groups(hir: &Hir) -> Hir {
    rebuild(hir, &mut |kind| match kind {
        HirKind::Capture(capture) => Some(without_groups(&capture.sub)),
        _ => None,
    })
}

fn rebuild(hir: &Hir, replace: &mut dyn FnMut(&HirKind) -> Option<Hir>) -> Hir {
    if let Some(hir) = replace(hir.kind()) {
        return hir;
    }
    match hir.kind() {
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(rebuild(&repetition.sub, replace)),
            ..repetition.clone()
        }),
        HirKind::Concat(parts) => {
            Hir::concat(parts.iter().map(|part| rebuild(part, replace)).collect())
        }
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|part| rebuild(part, replace)).collect())
        }
        _ => hir.clone(),
    }
}

fn collect_groups(hir: &Hir, groups: &mut Vec<Option<Box<str>>>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            let index = capture.index as usize;
            if groups.len() < index {
                groups.resize(index, None);
            }
            if let Some(slot) = index.checked_sub(1).and_then(|index| groups.get_mut(index)) {
                slot.clone_from(&capture.name);
            }
            collect_groups(&capture.sub, groups);
        }
        HirKind::Repetition(repetition) => collect_groups(&repetition.sub, groups),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect_groups(part, groups));
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}

/// The expression inside of a group.
pub(crate) fn group(hir: &Hir, index: u32) -> Option<&Hir> {
    match hir.kind() {
        HirKind::Capture(capture) if capture.index == index => Some(&capture.sub),
        HirKind::Capture(capture) => group(&capture.sub, index),
        HirKind::Repetition(repetition) => group(&repetition.sub, index),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().find_map(|part| group(part, index))
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

fn first_is_slash(hir: &Hir) -> Option<bool> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.starts_with(b"/")),
        HirKind::Capture(capture) => first_is_slash(&capture.sub),
        HirKind::Concat(parts) => {
            let mut parts = parts
                .iter()
                .filter(|part| !matches!(part.kind(), HirKind::Look(_)));
            parts.next().and_then(first_is_slash)
        }
        HirKind::Alternation(branches) => Some(
            branches
                .iter()
                .all(|branch| first_is_slash(branch) == Some(true)),
        ),
        HirKind::Repetition(repetition) => {
            Some(repetition.min > 0 && first_is_slash(&repetition.sub) == Some(true))
        }
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => Some(false),
    }
}

/// Whether the part at one end is a repetition without an upper limit.
fn is_open(hir: &Hir, end: fn(&[Hir]) -> Option<&Hir>) -> bool {
    match hir.kind() {
        HirKind::Concat(parts) => end(parts).is_some_and(|part| is_open(part, end)),
        HirKind::Capture(capture) => is_open(&capture.sub, end),
        HirKind::Repetition(repetition) => repetition.max.is_none(),
        HirKind::Alternation(branches) => branches.iter().all(|branch| is_open(branch, end)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}
