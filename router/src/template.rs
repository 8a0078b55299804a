//! Templates: paths with parameters in braces, turned into the same kind of
//! expression that patterns are.

use std::collections::HashMap;

use regex_syntax::hir::{Capture, Hir};

use crate::error::{BuildError, Place};
use crate::expression::{self, Expression, parse, without_groups};

/// The converters that every builder knows, and the patterns they stand for.
///
/// `any(a,b)` and `re(...)` take an argument and are not in the list.
pub(crate) const CONVERTERS: [(&str, &str); 5] = [
    ("str", "[^/]+"),
    ("int", "[0-9]+"),
    ("float", r"[0-9]+\.[0-9]+"),
    (
        "uuid",
        "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    ),
    // As Werkzeug's: never absolute, and the first of two takes as little as it can.
    ("path", "(?s:[^/].*?)"),
];

/// The converters of one builder.
#[derive(Clone, Debug)]
pub(crate) struct Converters(HashMap<Box<str>, Hir>);

impl Default for Converters {
    fn default() -> Self {
        let known = CONVERTERS.iter().filter_map(|(name, source)| {
            let hir = regex_syntax::parse(source).ok()?;
            Some(((*name).into(), hir))
        });
        Self(known.collect())
    }
}

impl Converters {
    pub(crate) fn add(&mut self, name: &str, source: &str) -> Result<(), BuildError> {
        let hir = parse(source, source, 0)?;
        self.0.insert(name.into(), without_groups(&hir));
        Ok(())
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self
            .0
            .keys()
            .map(|name| &**name)
            .chain(["any(..)", "re(..)"])
            .collect();
        names.sort_unstable();
        names.join(", ")
    }

    /// The pattern that a template stands for; as the beginning of others it is
    /// left open at its end.
    pub(crate) fn template(&self, source: &str, open: bool) -> Result<Expression, BuildError> {
        let mut reader = Reader {
            source,
            at: 0,
            parts: Vec::new(),
            names: Vec::new(),
            converters: self,
        };
        reader.read()?;
        let hir = Hir::concat(reader.parts);
        let hir = if open {
            Hir::concat(vec![Hir::look(regex_syntax::hir::Look::Start), hir])
        } else {
            expression::whole(hir)
        };
        Ok(Expression::from_hir(source, hir))
    }
}

struct Reader<'s> {
    source: &'s str,
    at: usize,
    parts: Vec<Hir>,
    names: Vec<Option<&'s str>>,
    converters: &'s Converters,
}

impl<'s> Reader<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn error(&self, start: usize, end: usize, reason: impl Into<String>) -> BuildError {
        BuildError::Syntax {
            place: Place::new(self.source, start..end),
            reason: reason.into(),
        }
    }

    fn read(&mut self) -> Result<(), BuildError> {
        while !self.rest().is_empty() {
            let rest = self.rest();
            let plain = rest.find(['{', '}']).unwrap_or(rest.len());
            let (text, special) = rest.split_at_checked(plain).unwrap_or((rest, ""));
            self.literal(text);
            self.at += plain;
            if special.starts_with("{{") || special.starts_with("}}") {
                self.literal(special.get(..1).unwrap_or_default());
                self.at += 2;
            } else if special.starts_with('}') {
                return Err(self.error(
                    self.at,
                    self.at + 1,
                    "`}` without `{`; a brace itself is written `}}`",
                ));
            } else if special.starts_with('{') {
                self.parameter()?;
            }
        }
        Ok(())
    }

    fn literal(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(Hir::literal(text.as_bytes()));
        }
    }

    fn parameter(&mut self) -> Result<(), BuildError> {
        let open = self.at;
        let inside = open + 1;
        let length =
            closing(self.source.get(inside..).unwrap_or_default(), '}').ok_or_else(|| {
                self.error(
                    open,
                    open + 1,
                    "`{` is never closed; a brace itself is written `{{`",
                )
            })?;
        let end = inside + length;
        let text = self.source.get(inside..end).unwrap_or_default();
        let (name, converter) = text
            .split_once(':')
            .map_or((text, None), |(name, rest)| (name, Some(rest)));
        if !name.is_empty() && !is_name(name) {
            return Err(self.error(
                inside,
                inside + name.len(),
                "a parameter is named by letters, digits and `_`, and begins with none of the digits",
            ));
        }
        if !name.is_empty() && self.names.contains(&Some(name)) {
            return Err(BuildError::DuplicateGroup {
                pattern: self.source.into(),
                group: name.into(),
            });
        }
        let sub = match converter {
            None => self.converter("str", inside)?,
            Some(converter) => self.converter(converter, inside + name.len() + 1)?,
        };
        self.names.push((!name.is_empty()).then_some(name));
        self.parts.push(Hir::capture(Capture {
            index: self.names.len() as u32,
            name: (!name.is_empty()).then(|| name.into()),
            sub: Box::new(sub),
        }));
        self.at = end + 1;
        Ok(())
    }

    /// `at` is where the converter was written.
    fn converter(&self, text: &str, at: usize) -> Result<Hir, BuildError> {
        let Some((name, argument)) = text.split_once('(') else {
            return self.converters.0.get(text).cloned().ok_or_else(|| {
                let reason = format!(
                    "there is no converter `{text}`; there are {}",
                    self.converters.names()
                );
                self.error(at, at + text.len(), reason)
            });
        };
        let inside = at + name.len() + 1;
        let Some(argument) = argument.strip_suffix(')') else {
            return Err(self.error(
                at,
                at + text.len(),
                "the argument of a converter ends with `)`",
            ));
        };
        match name {
            "any" => {
                let choices: Vec<&str> = argument.split(',').map(str::trim).collect();
                if choices.iter().any(|choice| choice.is_empty()) {
                    return Err(self.error(
                        inside,
                        inside + argument.len(),
                        "`any` takes words, separated by commas",
                    ));
                }
                Ok(Hir::alternation(
                    choices
                        .iter()
                        .map(|choice| Hir::literal(choice.as_bytes()))
                        .collect(),
                ))
            }
            "re" => parse(argument, self.source, inside).map(|hir| without_groups(&hir)),
            _ => Err(self.error(
                at,
                at + name.len(),
                format!("`{name}` is no converter that takes an argument; `any` and `re` are"),
            )),
        }
    }
}

/// Where the brace or parenthesis that is open at the start of `text` closes:
/// those of a regular expression inside count, unless escaped or in a class.
fn closing(text: &str, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    let mut class = false;
    let mut regex = false;
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' if regex => {
                characters.next();
            }
            '[' if regex && !class => {
                class = true;
                // A `]` that comes first is a member.
                let mut ahead = characters.clone();
                let mut first = ahead.next();
                if matches!(first, Some((_, '^'))) {
                    characters.next();
                    first = ahead.next();
                }
                if matches!(first, Some((_, ']'))) {
                    characters.next();
                }
            }
            ']' if class => class = false,
            _ if class => {}
            '(' => {
                regex = true;
                depth += 1;
            }
            '{' if regex => depth += 1,
            ')' | '}' if depth > 0 => depth -= 1,
            c if c == close => return Some(at),
            _ => {}
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && text.chars().all(|c| c == '_' || c.is_alphanumeric())
}
