//! Automata within a budget, and what becomes of patterns that do not fit.
//!
//! Patterns that are tiny alone can blow up together (sixteen times
//! `^/.*w3.*/z$`), so it is the union that is budgeted. What does not fit one
//! automaton is spread over several, and what does not fit any is left to the
//! general engine, one pattern at a time; and where the engines of too many
//! patterns would take too much memory or time, the rest is simulated. Each of them
//! knows its best pattern, so the order is kept, and those that cannot win any more
//! are not asked.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use regex_automata::meta;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::compile::compile;
use super::determinize::{Budget, Determinizer};
use super::dfa::NONE;
use super::general::{Late, general, steps_of_general};
use super::nfa::{Nfa, STATE_STEPS};
use super::program::Program;
use super::room::Room;
use super::simulate::Simulation;
use super::size;
use super::steps::Steps;
use super::words::Words;

/// What a map may cost to build, or what is left of that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes that automata and engines may take.
    pub(crate) memory: usize,
    /// Elementary steps, about 100 million a second.
    pub(crate) steps: usize,
    /// Bytes of one pattern in the general engine.
    pub(crate) pattern: usize,
}

#[derive(Debug)]
pub(crate) struct Matcher {
    /// By their best pattern.
    groups: Box<[Group]>,
    /// In order.
    alone: Box<[Alone]>,
    /// Whether there is just one group, of all patterns.
    single: bool,
}

#[derive(Debug)]
struct Group {
    program: Program,
    /// The patterns in order.
    patterns: Box<[u32]>,
}

/// A pattern that fits no automaton.
#[derive(Debug)]
struct Alone {
    id: u32,
    /// The text that it begins with, if it says so: most patterns are out of the question by that.
    prefix: Box<str>,
    engine: Late,
    /// Instead of an engine.
    slow: Option<Slow>,
}

/// What follows a pattern without an engine, until that has cost as much as an engine would have.
#[derive(Debug)]
struct Slow {
    hir: Hir,
    /// Made for each look-up if there is no room for it.
    simulation: Option<Simulation>,
    /// The size of an engine.
    bytes: usize,
    /// Steps since an engine was last thought of.
    spent: AtomicUsize,
}

impl Alone {
    fn is_match(&self, text: &str, steps: &mut impl Steps) -> bool {
        if !text.starts_with(&*self.prefix) {
            return false;
        }
        if let Some(engine) = self.engine.get() {
            // Its authors promise to be linear.
            steps.add(text.len());
            return engine.is_match(text);
        }
        let Some(slow) = &self.slow else { return false };
        let mut own = 0;
        let is_match = slow.is_match(text, &mut own);
        steps.add(own);
        // A count, and nothing that it would have to be in order with.
        if slow.spent.fetch_add(own, Relaxed) > steps_of_general(slow.bytes) {
            slow.spent.store(0, Relaxed);
            self.engine
                .keep_within(&slow.hir, slow.bytes.saturating_mul(2));
        }
        is_match
    }
}

impl Slow {
    fn is_match(&self, text: &str, steps: &mut impl Steps) -> bool {
        if let Some(simulation) = &self.simulation {
            return simulation.is_match(text, steps);
        }
        Simulation::new(&self.hir).is_some_and(|made| {
            steps.add(made.cost());
            made.is_match(text, steps)
        })
    }
}

impl Matcher {
    /// Takes what it needs out of `left`.
    pub(crate) fn new(
        patterns: &[Cow<'_, Hir>],
        left: &mut Limits,
        room: &Arc<Room>,
    ) -> Result<(Self, Vec<u32>), (u32, Box<meta::BuildError>)> {
        let mut planner = Planner {
            patterns,
            left,
            groups: Vec::new(),
            alone: Vec::new(),
            unreached: Vec::new(),
        };
        planner.plan();
        let Planner {
            mut groups,
            mut alone,
            mut unreached,
            ..
        } = planner;
        groups.sort_by_key(|group| group.patterns.first().copied());
        alone.sort_unstable();
        unreached.sort_unstable();
        let single = alone.is_empty() && groups.len() == 1;
        let alone = alone
            .into_iter()
            .filter_map(|id| patterns.get(id as usize).map(|hir| (id, hir)))
            .map(|(id, hir)| Alone::within(left, room, id, hir).map_err(|error| (id, error)))
            .collect::<Result<_, _>>()?;
        Ok((
            Self {
                groups: groups.into(),
                alone,
                single,
            },
            unreached,
        ))
    }

    /// The first pattern that matches.
    #[inline]
    pub(crate) fn find(&self, text: &str, words: Words) -> Option<u32> {
        self.find_counting(text, words, &mut ())
    }

    #[inline]
    pub(super) fn find_counting(
        &self,
        text: &str,
        words: Words,
        steps: &mut impl Steps,
    ) -> Option<u32> {
        if self.single
            && let Some(group) = self.groups.first()
        {
            let best = group.program.walk(text, words, steps);
            return (best != NONE).then_some(best);
        }
        self.find_in_tiers(text, words, steps)
    }

    fn find_in_tiers(&self, text: &str, words: Words, steps: &mut impl Steps) -> Option<u32> {
        let mut best = NONE;
        for group in &self.groups {
            if group.patterns.first().is_none_or(|&first| first >= best) {
                break;
            }
            if let Some(&found) = group
                .patterns
                .get(group.program.walk(text, words, steps) as usize)
            {
                best = best.min(found);
            }
        }
        for alone in &self.alone {
            if alone.id >= best {
                break;
            }
            if alone.is_match(text, steps) {
                best = alone.id;
            }
        }
        (best != NONE).then_some(best)
    }

    /// Bytes on the heap, without those of the general engine.
    pub(crate) fn size(&self) -> usize {
        self.groups
            .iter()
            .map(|group| group.program.size() + size_of_val(&*group.patterns))
            .sum()
    }

    /// The number of automata and of patterns left to the general engine.
    pub(crate) fn tiers(&self) -> (usize, usize) {
        (self.groups.len(), self.alone.len())
    }
}

impl Alone {
    /// The fastest that there is room and work for.
    fn within(
        left: &mut Limits,
        room: &Arc<Room>,
        id: u32,
        hir: &Hir,
    ) -> Result<Self, Box<meta::BuildError>> {
        let alone = |engine: Late, slow: Option<Slow>| Self {
            id,
            prefix: literal_start(hir).unwrap_or_default().into(),
            engine,
            slow,
        };
        let bytes = size::bytes(hir);
        // The larger of the engine's two automata is not all of it.
        if bytes.saturating_mul(2) <= left.memory && steps_of_general(bytes) <= left.steps {
            let engine = general(hir, usize::MAX)?;
            left.steps -= steps_of_general(bytes);
            left.memory = left.memory.saturating_sub(engine.memory_usage());
            return Ok(alone(Late::made(engine, room), None));
        }
        let slow = |simulation| Slow {
            hir: hir.clone(),
            simulation,
            bytes,
            spent: AtomicUsize::new(0),
        };
        // So little time that the limit of memory is one of time as well.
        let states = size::states(hir).saturating_mul(STATE_BYTES);
        if states <= left.memory || states <= ALWAYS_KEPT {
            left.memory = left.memory.saturating_sub(states);
            let Some(simulation) = Simulation::new(hir) else {
                // A form that only the general engine understands.
                let engine = general(hir, usize::MAX)?;
                return Ok(alone(Late::made(engine, room), None));
            };
            return Ok(alone(Late::new(room), Some(slow(Some(simulation)))));
        }
        Ok(alone(Late::new(room), Some(slow(None))))
    }
}

/// The text that every match begins with, at the start.
pub(super) fn literal_start(hir: &Hir) -> Option<&str> {
    let HirKind::Concat(parts) = hir.kind() else {
        return None;
    };
    match parts.as_slice() {
        [start, text, ..] if *start.kind() == HirKind::Look(Look::Start) => match text.kind() {
            HirKind::Literal(text) => std::str::from_utf8(&text.0).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// What a state of [`Nfa`] takes.
const STATE_BYTES: usize = 32;
/// To keep so little is never too much: the text of the pattern and its groups
/// are kept as well.
const ALWAYS_KEPT: usize = 64 * 1024;

struct Planner<'h> {
    patterns: &'h [Cow<'h, Hir>],
    left: &'h mut Limits,
    groups: Vec<Group>,
    alone: Vec<u32>,
    unreached: Vec<u32>,
}

/// NFA states of one automaton.
const MAX_NFA: usize = 1 << 20;
/// A pattern of more NFA states than this is left to the general engine: an
/// automaton of a hundred thousand nodes is slower than what it replaces.
const MAX_NFA_ALONE: usize = 1 << 14;

impl Planner<'_> {
    fn plan(&mut self) {
        let (tame, wild): (Vec<u32>, Vec<u32>) = (0..self.patterns.len() as u32).partition(|&id| {
            self.patterns
                .get(id as usize)
                .is_some_and(|hir| is_tame(hir))
        });
        let all: Vec<u32> = (0..self.patterns.len() as u32).collect();
        if self.try_group(&all) {
            return;
        }
        self.split(&tame);
        self.spread(wild);
    }

    /// Halves until the halves fit.
    fn split(&mut self, ids: &[u32]) {
        if ids.is_empty() || self.try_group(ids) {
            return;
        }
        if ids.len() == 1 {
            self.alone.extend(ids);
            return;
        }
        let (left, right) = ids.split_at(ids.len() / 2);
        self.split(left);
        self.split(right);
    }

    /// Patterns that blow up together: as many in each automaton as fit it.
    fn spread(&mut self, ids: Vec<u32>) {
        let mut rest: VecDeque<u32> = ids.into();
        let mut size = rest.len();
        while !rest.is_empty() {
            size = size.clamp(1, rest.len());
            let ids: Vec<u32> = rest.iter().take(size).copied().collect();
            if self.try_group(&ids) {
                rest.drain(..size);
                size += size.div_ceil(4);
            } else if size == 1 {
                self.alone.extend(rest.pop_front());
                size = 4;
            } else {
                size /= 2;
            }
        }
    }

    fn try_group(&mut self, ids: &[u32]) -> bool {
        if self.left.steps == 0 {
            return false;
        }
        let limit = if ids.len() == 1 {
            MAX_NFA_ALONE
        } else {
            MAX_NFA
        };
        let hirs = ids
            .iter()
            .filter_map(|&id| self.patterns.get(id as usize).map(|hir| &**hir));
        let nfa = Nfa::new(hirs, limit);
        let states = nfa.as_ref().map_or(limit, |nfa| nfa.states.len());
        self.left.steps = self.left.steps.saturating_sub(STATE_STEPS * states);
        let Ok(nfa) = nfa else { return false };
        // Ordinary routes give about as many states as the NFA has; several
        // times that is a blow-up that has only begun. And one automaton must not
        // use up what the others need.
        let steps = (2_000_000 + 1_000 * states).min(self.left.steps / 4);
        let mut budget = Budget {
            states: 1024 + 4 * states,
            words: self.left.memory / 4,
            steps,
        };
        let built = Determinizer::new(nfa).and_then(|determinizer| determinizer.run(&mut budget));
        self.left.steps = self.left.steps.saturating_sub(steps - budget.steps);
        let Ok(dfa) = built else { return false };
        let program = compile(&dfa);
        if program.size() > self.left.memory {
            return false;
        }
        self.left.memory -= program.size();
        let mut reached = vec![false; ids.len()];
        for state in dfa.states.iter() {
            if let Some(reached) = reached.get_mut(state.at_end as usize) {
                *reached = true;
            }
        }
        self.unreached.extend(
            ids.iter()
                .zip(reached)
                .filter(|(_, reached)| !reached)
                .map(|(&id, _)| id),
        );
        self.groups.push(Group {
            program,
            patterns: ids.into(),
        });
        true
    }
}

/// Anchored at its start: the next character says where it is, so that many of
/// them together seldom blow up.
fn is_tame(hir: &Hir) -> bool {
    hir.properties().look_set_prefix().contains(Look::Start)
}
