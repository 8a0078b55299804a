//! Lists of routes while they are written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use regex_syntax::hir::Hir;

use crate::capture::Segments;
use crate::engine::{self, Limits, Matcher, Room, Shadow};
use crate::entry::Entry;
use crate::error::BuildError;
use crate::expression::Expression;
use crate::pattern::{IntoPattern, Pattern, Syntax};
use crate::template::Converters;
use crate::url_map::{Table, UrlMap};

/// Collects routes in order; made by [`UrlMap::builder`].
///
/// Patterns are read when they are added, and what is wrong with them is said by
/// [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct UrlMapBuilder<T> {
    pub(crate) routes: Vec<(Expression, Option<Box<str>>, T)>,
    pub(crate) converters: Converters,
    pub(crate) limits: Limits,
    deny_shadowed: bool,
    pub(crate) error: Option<BuildError>,
}

/// Routes that were checked one by one.
pub(crate) struct Checked<T> {
    pub(crate) entries: Vec<Entry>,
    pub(crate) values: Vec<T>,
    pub(crate) names: HashMap<Box<str>, u32>,
    pub(crate) room: Arc<Room>,
}

impl<T> UrlMap<T> {
    /// An empty list.
    pub fn builder() -> UrlMapBuilder<T> {
        UrlMapBuilder::new()
    }
}

impl<T> UrlMapBuilder<T> {
    pub(crate) fn new() -> Self {
        Self {
            routes: Vec::new(),
            converters: Converters::default(),
            limits: Limits {
                memory: 256 << 20,
                steps: 200_000_000,
                pattern: 10 << 20,
            },
            deny_shadowed: false,
            error: None,
        }
    }

    /// Adds a route. A string is a regular expression in the syntax of the `regex` crate, which
    /// is searched for, as by Python's `re.search`: write `^` and `$`. [`full`](crate::full) and
    /// [`template`](crate::template) match the whole text, and
    /// [`.named(..)`](IntoPattern::named) gives the route a name for [`UrlMap::url_for`].
    pub fn route(mut self, pattern: impl IntoPattern, value: T) -> Self {
        let pattern = pattern.into_pattern();
        let expression = self.read(&pattern);
        self.push(expression, pattern.name, value);
        self
    }

    /// Adds a converter for the templates that follow: a regular expression,
    /// whose groups are not counted.
    pub fn converter(mut self, name: impl AsRef<str>, pattern: impl AsRef<str>) -> Self {
        if let Err(error) = self.converters.add(name.as_ref(), pattern.as_ref()) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Adds all routes of another map behind a prefix: their `^` then means the
    /// place where `prefix` ends. Groups of the prefix come first, names stay.
    pub fn include(mut self, prefix: impl IntoPattern, other: UrlMap<T>) -> Self {
        match self.read_prefix(&prefix.into_pattern()) {
            Ok(prefix) => {
                for (entry, value) in other.table.entries.iter().zip(other.values) {
                    self.push(prefix.join(&entry.pattern), entry.name.clone(), value);
                }
            }
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }

    pub(crate) fn read(&self, pattern: &Pattern) -> Result<Expression, BuildError> {
        match pattern.syntax {
            Syntax::Search => Expression::regex(&pattern.text),
            Syntax::Full => Expression::full(&pattern.text),
            Syntax::Template => self.converters.template(&pattern.text, false),
        }
    }

    /// The same for what other patterns are put behind.
    pub(crate) fn read_prefix(&self, prefix: &Pattern) -> Result<Expression, BuildError> {
        if let Some(name) = &prefix.name {
            return Err(BuildError::Setting {
                text: name.to_string(),
                reason: format!(
                    "`{}` is a prefix and no route, so it has no name",
                    prefix.text
                ),
            });
        }
        match prefix.syntax {
            Syntax::Template => self.converters.template(&prefix.text, true),
            Syntax::Search | Syntax::Full => self.read(prefix),
        }
    }

    pub(crate) fn push(
        &mut self,
        expression: Result<Expression, BuildError>,
        name: Option<Box<str>>,
        value: T,
    ) {
        match expression {
            Ok(expression) => self.routes.push((expression, name, value)),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
    }

    /// Makes a route that never wins an error. By default it is none, and
    /// [`UrlMap::shadowed`] tells.
    pub fn deny_shadowed(mut self) -> Self {
        self.deny_shadowed = true;
        self
    }

    /// Bytes that the automata may take while they are made, with the engines of
    /// patterns that fit none; and then again engines that are made when a path first needs
    /// them, with what all engines note from one search to the next. 256 MiB by default. Routes
    /// that do not fit are matched by slower means, which take some kilobytes each; what searches
    /// note while they run is not counted.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Elementary steps of all that `build` does beyond reading each pattern:
    /// about 100 million a second in a release build; 200 million by default.
    /// Whether routes for which none are left are shadowed or impossible is not found out. They
    /// are matched by slower means, each until that has cost as much as an engine, which is made
    /// then.
    pub fn work_limit(mut self, steps: usize) -> Self {
        self.limits.steps = steps;
        self
    }

    /// Bytes of a single pattern in the general engine, 10 MiB by default, as
    /// in the `regex` crate. A larger pattern is an error. The engine that finds
    /// groups is made when a path first needs it.
    pub fn pattern_limit(mut self, bytes: usize) -> Self {
        self.limits.pattern = bytes;
        self
    }

    /// Makes the map, in bounded time and memory for any patterns.
    ///
    /// # Errors
    ///
    /// If a pattern cannot be read, is too big or matches no text at all, or if
    /// two routes have one name.
    pub fn build(self) -> Result<UrlMap<T>, BuildError> {
        let (limits, deny) = (self.limits, self.deny_shadowed);
        let mut left = limits;
        let Checked {
            mut entries,
            values,
            names,
            room,
        } = self.check(&mut left)?;
        let all: Vec<&Entry> = entries.iter().collect();
        let (matcher, unreached) = matcher(&all, &mut left, &room)?;
        if deny {
            deny_shadowed(&all, &unreached, &mut left.steps)?;
        }
        entries.iter_mut().for_each(Entry::release_tree);
        let segments = Segments::new(entries.iter().map(|entry| entry.program.as_ref()));
        let table = Table {
            segments,
            entries: entries.into(),
            matcher,
            names,
            unreached: unreached.into(),
            limits,
        };
        Ok(UrlMap {
            table: Arc::new(table),
            values: values.into(),
        })
    }

    pub(crate) fn check(self, left: &mut Limits) -> Result<Checked<T>, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut names: HashMap<Box<str>, u32> = HashMap::new();
        let mut entries: Vec<Entry> = Vec::with_capacity(self.routes.len());
        let mut values = Vec::with_capacity(self.routes.len());
        let room = Arc::new(Room::new(left.memory));
        for (index, (pattern, name, value)) in self.routes.into_iter().enumerate() {
            if let Some(name) = &name
                && let Some(first) = names.insert(name.clone(), index as u32)
            {
                let first = entries
                    .get(first as usize)
                    .map_or("", |entry| &entry.pattern.source);
                return Err(BuildError::DuplicateName {
                    name: name.to_string(),
                    patterns: [first.into(), pattern.source.into()],
                });
            }
            check_size(&pattern, left)?;
            let entry = Entry::new(pattern, name, &room);
            entries.push(entry);
            values.push(value);
        }
        Ok(Checked {
            entries,
            values,
            names,
            room,
        })
    }
}

/// The automata of a list, and the routes that they never answer with.
pub(crate) fn matcher(
    entries: &[&Entry],
    left: &mut Limits,
    room: &Arc<Room>,
) -> Result<(Matcher, Vec<u32>), BuildError> {
    let hirs = hirs(entries);
    let source = |id: u32| {
        entries
            .get(id as usize)
            .map_or("", |entry| &*entry.pattern.source)
    };
    let (matcher, unreached) =
        Matcher::new(&hirs, left, room).map_err(|(id, _)| too_big(source(id), left.pattern))?;
    for &id in &unreached {
        if engine::explain_alone(&hirs, id, &mut left.steps) == Shadow::Impossible {
            return Err(BuildError::Impossible {
                pattern: source(id).into(),
                reason: None,
            });
        }
    }
    Ok((matcher, unreached))
}

pub(crate) fn hirs<'e>(entries: &[&'e Entry]) -> Vec<Cow<'e, Hir>> {
    entries.iter().map(|entry| entry.pattern.hir()).collect()
}

/// Refuses the first of the routes that is found to be shadowed.
fn deny_shadowed(
    entries: &[&Entry],
    unreached: &[u32],
    steps: &mut usize,
) -> Result<(), BuildError> {
    let hirs = hirs(entries);
    let source = |id: u32| {
        let entry = entries.get(id as usize);
        entry.map_or_else(String::new, |entry| entry.pattern.source.to_string())
    };
    for &id in unreached {
        if let Shadow::Shadowed { by } = engine::explain(&hirs, id, steps) {
            let mut takers: Vec<u32> = by.iter().map(|taker| taker.id).collect();
            takers.sort_unstable();
            return Err(BuildError::Shadowed {
                pattern: source(id),
                by: takers.into_iter().map(source).collect(),
                example: by
                    .into_iter()
                    .next()
                    .map_or_else(String::new, |taker| taker.example),
            });
        }
    }
    Ok(())
}

impl<T> Default for UrlMapBuilder<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the general engine, which finds groups and is made when a path first
/// needs it, will be within the limit.
fn check_size(pattern: &Expression, left: &mut Limits) -> Result<(), BuildError> {
    let hir = pattern.hir();
    if engine::bytes(&hir) <= left.pattern {
        return Ok(());
    }
    // Counted too high, perhaps: what alternatives have in common counts each
    // time. To try takes as long as an engine of the limit's size does.
    let steps = engine::steps_of_general(left.pattern);
    if left.steps < steps || engine::general(&hir, left.pattern).is_err() {
        return Err(too_big(&pattern.source, left.pattern));
    }
    left.steps -= steps;
    Ok(())
}

fn too_big(pattern: &str, limit: usize) -> BuildError {
    BuildError::TooBig {
        pattern: pattern.into(),
        limit,
    }
}
