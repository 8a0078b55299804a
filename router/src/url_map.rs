//! The map from paths to values.

#[cfg(feature = "service")]
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

#[cfg(feature = "service")]
use regex_syntax::hir::Hir;

use crate::capture::{Args, Program, Segments};
use crate::engine::{self, Limits, Matcher, Shadow, Words};
use crate::entry::Entry;
use crate::error::UrlForError;
use crate::reverse::{self, IntoArgs, Mode, Routes};

/// An ordered list of patterns with values, of which the first that matches wins.
///
/// ```
/// use router::{IntoPattern, UrlMap};
///
/// let urls = UrlMap::builder()
///     .route(r"^$", "index")
///     .route(r"^hello/(?P<subject>.+)$".named("hello"), "hello")
///     .build()?;
///
/// let found = urls.find("hello/John").unwrap();
/// assert_eq!(*found.value(), "hello");
/// assert_eq!(found.args().name("subject"), Some("John"));
/// assert_eq!(urls.url_for("hello", [("subject", "John")])?, "hello/John");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UrlMap<T> {
    pub(crate) table: Arc<Table>,
    pub(crate) values: Box<[T]>,
}

/// All of a map but its values.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) entries: Box<[Entry]>,
    pub(crate) matcher: Matcher,
    pub(crate) segments: Segments,
    pub(crate) names: HashMap<Box<str>, u32>,
    /// The routes that no path reaches.
    pub(crate) unreached: Box<[u32]>,
    pub(crate) limits: Limits,
}

impl Routes for Table {
    fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)
    }

    fn find(&self, text: &str) -> Option<u32> {
        self.matcher.find(text, Words::new(text))
    }
}

impl Table {
    pub(crate) fn shadowed(&self) -> Vec<Shadowed> {
        let hirs: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.pattern.hir())
            .collect();
        // Each may take what a build may: a list that is cut off somewhere says
        // nothing about the rest.
        let explain = |&id: &u32| match engine::explain(&hirs, id, &mut { self.limits.steps }) {
            Shadow::Shadowed { by } => {
                let example = by.first().map(|taker| taker.example.clone());
                let mut by: Vec<usize> = by.iter().map(|taker| taker.id as usize).collect();
                by.sort_unstable();
                Some(Shadowed {
                    index: id as usize,
                    by,
                    example: example.unwrap_or_default(),
                })
            }
            Shadow::Reachable | Shadow::Impossible => None,
        };
        self.unreached.iter().filter_map(explain).collect()
    }
}

impl<T> UrlMap<T> {
    /// The first route whose pattern matches `text`, which is taken as it is:
    /// nothing is decoded, no slash removed.
    ///
    /// One pass over the text, and no allocation.
    #[inline]
    pub fn find<'a>(&'a self, text: &'a str) -> Option<Match<'a, T>> {
        let words = Words::new(text);
        let index = self.table.matcher.find(text, words)? as usize;
        let value = self.values.get(index)?;
        let entry = self.table.entries.get(index)?;
        Some(Match {
            value,
            entry,
            segments: &self.table.segments,
            text,
            words,
            index,
        })
    }

    /// The path that leads to the route of this name with these arguments,
    /// percent-encoded: decoded, it is matched by that route again, and its
    /// groups are the arguments.
    ///
    /// `args` are values by position (`["2007", "3"]`), pairs of names and
    /// values (`[("year", 2007)]`), or `()` where there are none.
    ///
    /// # Errors
    ///
    /// If there is no such route, an argument is missing, unknown or one too
    /// many, does not match its group, or if the result would not come back as
    /// it is: it has a segment `..`, begins with `//`, or with a slash where the
    /// pattern does not always have one, or belongs to a route further up.
    pub fn url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError> {
        let table = &*self.table;
        let &id = table
            .names
            .get(name)
            .ok_or_else(|| UrlForError::UnknownName { name: name.into() })?;
        reverse::reverse(table, id, &args.into_args(), Mode::Relative)
    }

    /// The number of routes.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no routes.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All routes in order.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = Route<'_, T>> {
        self.table
            .entries
            .iter()
            .zip(&self.values)
            .enumerate()
            .map(|(index, (entry, value))| Route {
                index,
                entry,
                value,
            })
    }

    /// The routes that never win, because others in front of them take every
    /// path that they match.
    ///
    /// Found as far as the automaton within the limits goes: of routes that did
    /// not fit one automaton together, some may be missing here.
    pub fn shadowed(&self) -> Vec<Shadowed> {
        self.table.shadowed()
    }

    /// Patterns that are probably not meant as they are written.
    pub fn warnings(&self) -> Vec<Warning> {
        let open = |(index, entry): (usize, &Entry)| {
            let open = !entry.pattern.is_anchored_at_end() && !entry.pattern.ends_openly();
            open.then(|| Warning::OpenEnd {
                index,
                pattern: entry.pattern.source.to_string(),
            })
        };
        self.table
            .entries
            .iter()
            .enumerate()
            .filter_map(open)
            .collect()
    }

    /// What the look-up is made of, for tests of limits and for the curious.
    pub fn stats(&self) -> Stats {
        let (automata, alone) = self.table.matcher.tiers();
        let programs: usize = self
            .table
            .entries
            .iter()
            .flat_map(|entry| &entry.program)
            .map(Program::size)
            .sum();
        Stats {
            automata,
            alone,
            memory: self.table.matcher.size() + self.table.segments.size() + programs,
        }
    }
}

#[cfg(feature = "service")]
impl<T> UrlMap<T> {
    /// What each pattern means.
    pub(crate) fn hirs(&self) -> impl Iterator<Item = Cow<'_, Hir>> {
        self.table.entries.iter().map(|entry| entry.pattern.hir())
    }

    /// Whether a pattern says that anything may be in front of what it matches, and behind that.
    pub(crate) fn is_meant_openly(&self, index: usize) -> [bool; 2] {
        let pattern = self.table.entries.get(index).map(|entry| &entry.pattern);
        pattern.map_or([true; 2], |pattern| {
            let start = pattern.is_anchored() || pattern.begins_openly();
            [start, pattern.is_anchored_at_end() || pattern.ends_openly()]
        })
    }
}

impl<T> fmt::Debug for UrlMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self
            .table
            .entries
            .iter()
            .map(|entry| &*entry.pattern.source);
        f.debug_tuple("UrlMap")
            .field(&sources.collect::<Vec<_>>())
            .finish()
    }
}

/// The table of routes, a line each.
impl<T> fmt::Display for UrlMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: &str| text.chars().count();
        let patterns = self
            .table
            .entries
            .iter()
            .map(|entry| width(&entry.pattern.source))
            .max()
            .unwrap_or(0);
        let number = self.len().saturating_sub(1).to_string().len();
        for (index, entry) in self.table.entries.iter().enumerate() {
            let source = &entry.pattern.source;
            match &entry.name {
                Some(name) => writeln!(f, "{index:>number$}  {source:<patterns$}  {name}")?,
                None => writeln!(f, "{index:>number$}  {source}")?,
            }
        }
        Ok(())
    }
}

/// The route that won.
pub struct Match<'a, T> {
    value: &'a T,
    entry: &'a Entry,
    segments: &'a Segments,
    text: &'a str,
    words: Words,
    index: usize,
}

impl<'a, T> Match<'a, T> {
    /// The place of the route in the list, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What was registered with the pattern.
    pub fn value(&self) -> &'a T {
        self.value
    }

    /// The groups. They are found now or when they are asked for, in a second
    /// pass over the text that needs no search.
    #[inline]
    pub fn args(&self) -> Args<'a> {
        match self.segments.of(self.index) {
            Some(segments) if Args::fit(self.text, segments.len()) => {
                let names = &self.entry.pattern.groups;
                Args::in_segments(self.text, names, segments, self.words)
            }
            _ => self.entry.args(self.text, self.words),
        }
    }

    /// The bytes that the pattern matched: all of the text if it begins with
    /// `^` and ends with `$`.
    pub fn span(&self) -> Range<usize> {
        let (start, end) = self.entry.span(self.text);
        start..end
    }

    /// The pattern, as it was written.
    pub fn pattern(&self) -> &'a str {
        &self.entry.pattern.source
    }

    /// The name of the route, if it has one.
    pub fn name(&self) -> Option<&'a str> {
        self.entry.name.as_deref()
    }
}

impl<T> Clone for Match<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Match<'_, T> {}

impl<T: fmt::Debug> fmt::Debug for Match<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Match")
            .field("index", &self.index)
            .field("pattern", &self.pattern())
            .field("value", &self.value)
            .field("args", &self.args())
            .finish()
    }
}

/// One line of the list.
pub struct Route<'a, T> {
    index: usize,
    entry: &'a Entry,
    value: &'a T,
}

impl<'a, T> Route<'a, T> {
    /// The place in the list, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The pattern, as it was written.
    pub fn pattern(&self) -> &'a str {
        &self.entry.pattern.source
    }

    /// The name of the route, if it has one.
    pub fn name(&self) -> Option<&'a str> {
        self.entry.name.as_deref()
    }

    /// What was registered with the pattern.
    pub fn value(&self) -> &'a T {
        self.value
    }

    /// The names of the groups in order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + use<'a, T> {
        self.entry.pattern.groups.iter().map(Option::as_deref)
    }
}

impl<T: fmt::Debug> fmt::Debug for Route<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("index", &self.index)
            .field("pattern", &self.pattern())
            .field("name", &self.name())
            .field("value", &self.value)
            .finish()
    }
}

/// A route that never wins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shadowed {
    /// Its place in the list.
    pub index: usize,
    /// The places of the routes that take all its paths.
    pub by: Vec<usize>,
    /// One of these paths, a shortest one.
    pub example: String,
}

/// A pattern that is probably not meant as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The pattern has no `$`, so it also matches every longer path: `^about`
    /// takes `about-us` from the routes below it.
    OpenEnd {
        /// The place in the list.
        index: usize,
        /// The pattern.
        pattern: String,
    },
}

impl Warning {
    /// The place of the route in the list.
    pub fn index(&self) -> usize {
        match self {
            Self::OpenEnd { index, .. } => *index,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenEnd { index, pattern } => {
                write!(
                    f,
                    "route {index}, `{pattern}`, has no `$` and matches every longer path, too"
                )
            }
        }
    }
}

/// What a look-up is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many automata are walked at most; one if all patterns fit it.
    pub automata: usize,
    /// How many patterns fit none, and are left to the general engine.
    pub alone: usize,
    /// Bytes of the automata and of the programs that find groups.
    pub memory: usize,
}
