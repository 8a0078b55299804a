//! Patterns as one nondeterministic automaton over sets of characters.
//!
//! It answers only *whether* a pattern matches: greediness and groups do not
//! change that, so they are not in it.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::alphabet::{Beside, Needs, SetId, Sets};

pub(crate) type StateId = u32;

/// The steps that a state takes to be made.
pub(super) const STATE_STEPS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) enum State {
    /// Takes one character of the set.
    Take {
        set: SetId,
        next: StateId,
    },
    /// Goes on in all of these without taking any.
    Split(Box<[StateId]>),
    /// Goes on where the assertion holds.
    Look {
        look: Look,
        next: StateId,
    },
    Match,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Nfa {
    pub(crate) states: Vec<State>,
    /// The pattern of each state, by its place in this automaton.
    pub(crate) owner: Vec<u32>,
    pub(crate) starts: Vec<Start>,
    pub(crate) sets: Sets,
    pub(crate) needs: Needs,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) state: StateId,
    /// Whether it can match at the start of the text only.
    pub(crate) anchored: bool,
}

/// The pattern needs more states than the limit allows, or has a form that
/// only the general engine understands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooBig;

impl Nfa {
    /// The automaton of `patterns` in their order, of at most `limit` states.
    pub(crate) fn new<'h>(
        patterns: impl IntoIterator<Item = &'h Hir>,
        limit: usize,
    ) -> Result<Self, TooBig> {
        let mut nfa = Self {
            limit,
            ..Self::default()
        };
        for (pattern, hir) in patterns.into_iter().enumerate() {
            nfa.add_pattern(pattern as u32, hir)?;
        }
        Ok(nfa)
    }

    fn add_pattern(&mut self, pattern: u32, hir: &Hir) -> Result<(), TooBig> {
        let end = self.add(State::Match)?;
        let state = self.add_hir(hir, end)?;
        let anchored = hir.properties().look_set_prefix().contains(Look::Start);
        self.starts.push(Start { state, anchored });
        self.owner.resize(self.states.len(), pattern);
        Ok(())
    }

    fn add(&mut self, state: State) -> Result<StateId, TooBig> {
        if self.states.len() >= self.limit {
            return Err(TooBig);
        }
        self.states.push(state);
        Ok((self.states.len() - 1) as StateId)
    }

    /// Adds `hir` in front of `next`. The depth of the recursion is the depth of
    /// the expression, which the parser limits.
    fn add_hir(&mut self, hir: &Hir, next: StateId) -> Result<StateId, TooBig> {
        match hir.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).map_err(|_| TooBig)?;
                text.chars()
                    .rev()
                    .try_fold(next, |next, c| self.add_set(&[(c as u32, c as u32)], next))
            }
            HirKind::Class(class) => self.add_set(&class_ranges(class).ok_or(TooBig)?, next),
            HirKind::Look(look) => {
                self.note(*look);
                self.add(State::Look { look: *look, next })
            }
            HirKind::Repetition(repetition) => {
                let mut start = next;
                let mut needed = repetition.min;
                if let Some(max) = repetition.max {
                    for _ in repetition.min..max {
                        let body = self.add_hir(&repetition.sub, start)?;
                        start = self.add(State::Split([body, next].into()))?;
                    }
                } else {
                    let again = self.add(State::Split([].into()))?;
                    let body = self.add_hir(&repetition.sub, again)?;
                    if let Some(state) = self.states.get_mut(again as usize) {
                        *state = State::Split([body, next].into());
                    }
                    start = if needed == 0 { again } else { body };
                    needed = needed.saturating_sub(1);
                }
                for _ in 0..needed {
                    start = self.add_hir(&repetition.sub, start)?;
                }
                Ok(start)
            }
            HirKind::Capture(capture) => self.add_hir(&capture.sub, next),
            HirKind::Concat(parts) => parts
                .iter()
                .rev()
                .try_fold(next, |next, part| self.add_hir(part, next)),
            HirKind::Alternation(parts) => {
                let branches = parts
                    .iter()
                    .map(|part| self.add_hir(part, next))
                    .collect::<Result<_, _>>()?;
                self.add(State::Split(branches))
            }
        }
    }

    fn add_set(&mut self, ranges: &[(u32, u32)], next: StateId) -> Result<StateId, TooBig> {
        if ranges.is_empty() {
            return self.add(State::Split([].into()));
        }
        let set = self.sets.intern(ranges);
        self.add(State::Take { set, next })
    }

    fn note(&mut self, look: Look) {
        match look {
            Look::Start | Look::End => {}
            Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF => {
                self.needs.lines = true;
            }
            Look::WordAscii
            | Look::WordAsciiNegate
            | Look::WordStartAscii
            | Look::WordEndAscii
            | Look::WordStartHalfAscii
            | Look::WordEndHalfAscii => self.needs.words_ascii = true,
            Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode => self.needs.words_unicode = true,
        }
    }
}

/// The ranges of a class of characters; `None` if it is one of bytes that are
/// no characters (which the parser does not accept in text patterns).
pub(crate) fn class_ranges(class: &Class) -> Option<Vec<(u32, u32)>> {
    match class {
        Class::Unicode(class) => Some(
            class
                .iter()
                .map(|r| (r.start() as u32, r.end() as u32))
                .collect(),
        ),
        Class::Bytes(class) if class.is_ascii() => Some(
            class
                .iter()
                .map(|r| (u32::from(r.start()), u32::from(r.end())))
                .collect(),
        ),
        Class::Bytes(_) => None,
    }
}

/// Whether `look` holds between `before` and `after`.
pub(crate) fn holds(look: Look, before: Beside, after: Beside) -> bool {
    let ascii = (before.is_word_ascii(), after.is_word_ascii());
    let unicode = (before.is_word_unicode(), after.is_word_unicode());
    match look {
        Look::Start => before.is_edge(),
        Look::End => after.is_edge(),
        Look::StartLF => before.is_edge() || before.is_lf(),
        Look::EndLF => after.is_edge() || after.is_lf(),
        Look::StartCRLF => before.is_edge() || before.is_lf() || (before.is_cr() && !after.is_lf()),
        Look::EndCRLF => after.is_edge() || after.is_cr() || (after.is_lf() && !before.is_cr()),
        Look::WordAscii => ascii.0 != ascii.1,
        Look::WordAsciiNegate => ascii.0 == ascii.1,
        Look::WordUnicode => unicode.0 != unicode.1,
        Look::WordUnicodeNegate => unicode.0 == unicode.1,
        Look::WordStartAscii => !ascii.0 && ascii.1,
        Look::WordEndAscii => ascii.0 && !ascii.1,
        Look::WordStartUnicode => !unicode.0 && unicode.1,
        Look::WordEndUnicode => unicode.0 && !unicode.1,
        Look::WordStartHalfAscii => !ascii.0,
        Look::WordEndHalfAscii => !ascii.1,
        Look::WordStartHalfUnicode => !unicode.0,
        Look::WordEndHalfUnicode => !unicode.1,
    }
}

/// Whether `look` can be decided without the text that follows.
pub(crate) fn decided_before(look: Look, before: Beside) -> Option<bool> {
    match look {
        Look::Start | Look::StartLF => Some(holds(look, before, Beside::EDGE)),
        _ => None,
    }
}
