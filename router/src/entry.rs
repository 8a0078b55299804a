//! One route of a list: its pattern, and what finds the groups and writes the paths of that pattern.

use std::sync::{Arc, OnceLock};

use crate::capture::{self, Args, Fill, Position, Program};
use crate::engine::{General, Late, Room, Words};
use crate::expression::Expression;
use crate::reverse::Form;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) pattern: Expression,
    pub(crate) name: Option<Box<str>>,
    pub(crate) program: Option<Program>,
    /// Made when it is first asked: of a thousand routes few ever are.
    general: Late,
    form: OnceLock<Form>,
}

impl Entry {
    /// Entries of one map share `room`.
    pub(crate) fn new(pattern: Expression, name: Option<Box<str>>, room: &Arc<Room>) -> Self {
        let program = Program::new(&pattern.hir(), pattern.groups.len());
        Self {
            pattern,
            name,
            program,
            general: Late::new(room),
            form: OnceLock::new(),
        }
    }

    /// Lets go of the tree, which only the construction needed.
    pub(crate) fn release_tree(&mut self) {
        self.pattern.compact();
    }

    /// Asks the general engine, which is kept as long as there is room for it.
    fn ask_general<R>(&self, ask: impl FnOnce(&General) -> R) -> Option<R> {
        self.general.ask(|| self.pattern.hir(), ask)
    }

    /// The groups of this pattern, which is known to match `text`.
    #[inline]
    pub(crate) fn args<'a>(&'a self, text: &'a str, words: Words) -> Args<'a> {
        let names = &self.pattern.groups;
        match self.program.as_ref().and_then(Program::only_segments) {
            Some(segments) if Args::fit(text, names.len()) => {
                Args::in_segments(text, names, segments, words)
            }
            _ => Args::fill(
                text,
                names,
                Groups {
                    entry: self,
                    text,
                    words,
                },
            ),
        }
    }

    /// What this pattern, which is known to match, matches of `text`.
    pub(crate) fn span(&self, text: &str) -> (usize, usize) {
        match &self.program {
            Some(program) => (0, program.end(text)),
            None => self.run_general::<usize>(text, &mut []),
        }
    }

    #[cold]
    fn run_general<P: Position>(&self, text: &str, slots: &mut [P]) -> (usize, usize) {
        self.ask_general(|engine| capture::run_general(engine, text, slots))
            .flatten()
            .unwrap_or((0, text.len()))
    }

    /// Whether this pattern alone matches.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.ask_general(|engine| engine.is_match(text))
            .unwrap_or(false)
    }

    /// How its paths are written; found when it is first asked for.
    pub(crate) fn form(&self) -> &Form {
        self.form.get_or_init(|| Form::new(&self.pattern))
    }
}

/// The groups of an entry in a text that it matches.
struct Groups<'a> {
    entry: &'a Entry,
    text: &'a str,
    words: Words,
}

impl Fill for Groups<'_> {
    #[inline]
    fn fill<P: Position>(self, slots: &mut [P]) {
        match &self.entry.program {
            Some(program) => program.groups(self.text, self.words, slots),
            None if slots.is_empty() => {}
            None => {
                self.entry.run_general(self.text, slots);
            }
        }
    }
}
