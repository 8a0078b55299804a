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

use regex_automata::meta;
use regex_syntax::hir::{Hir, Look};

use super::compile::compile;
use super::determinize::{Budget, Determinizer, NONE};
use super::nfa::{Nfa, STATE_STEPS};
use super::program::Program;
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

#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// By their best pattern.
    groups: Box<[Group]>,
    /// In order.
    alone: Box<[(u32, Alone)]>,
    /// Whether there is just one group, of all patterns.
    single: bool,
}

#[derive(Clone, Debug)]
struct Group {
    program: Program,
    /// The patterns in order.
    patterns: Box<[u32]>,
}

/// A pattern that fits no automaton.
#[derive(Clone, Debug)]
enum Alone {
    Engine(meta::Regex),
    Simulation(Simulation),
    /// There is no room for its automaton: it is made for each look-up.
    Unkept(Hir),
}

impl Alone {
    fn is_match(&self, text: &str, steps: &mut impl Steps) -> bool {
        match self {
            Self::Engine(regex) => {
                // Its authors promise to be linear.
                steps.add(text.len());
                regex.is_match(text)
            }
            Self::Simulation(simulation) => simulation.is_match(text, steps),
            Self::Unkept(hir) => {
                Simulation::new(hir).is_some_and(|made| made.is_match(text, steps))
            }
        }
    }
}

impl Matcher {
    /// Takes what it needs out of `left`.
    pub(crate) fn new(
        patterns: &[Cow<'_, Hir>],
        left: &mut Limits,
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
            .map(|(id, hir)| match alone_within(left, hir) {
                Ok(alone) => Ok((id, alone)),
                Err(error) => Err((id, error)),
            })
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
        for (id, regex) in &self.alone {
            if *id >= best {
                break;
            }
            if regex.is_match(text, steps) {
                best = *id;
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

/// The general engine for one pattern, as the `regex` crate sets it up.
pub(crate) fn general(hir: &Hir, limit: usize) -> Result<meta::Regex, Box<meta::BuildError>> {
    meta::Builder::new()
        .configure(meta::Config::new().nfa_size_limit(Some(limit)))
        .build_from_hir(hir)
        .map_err(Box::new)
}

/// The steps that [`general`] takes for an engine of so many bytes.
pub(crate) fn steps_of_general(bytes: usize) -> usize {
    bytes.saturating_mul(3).saturating_add(5_000)
}

/// The fastest that there is room and work for.
fn alone_within(left: &mut Limits, hir: &Hir) -> Result<Alone, Box<meta::BuildError>> {
    let bytes = size::bytes(hir);
    // The larger of the engine's two automata is not all of it.
    if bytes.saturating_mul(2) <= left.memory && steps_of_general(bytes) <= left.steps {
        let engine = general(hir, usize::MAX)?;
        left.steps -= steps_of_general(bytes);
        left.memory = left.memory.saturating_sub(engine.memory_usage());
        return Ok(Alone::Engine(engine));
    }
    // So little time that the limit of memory is one of time as well.
    let bytes = size::states(hir).saturating_mul(STATE_BYTES);
    if bytes <= left.memory || bytes <= ALWAYS_KEPT {
        left.memory = left.memory.saturating_sub(bytes);
        if let Some(simulation) = Simulation::new(hir) {
            return Ok(Alone::Simulation(simulation));
        }
        // A form that only the general engine understands.
        return general(hir, usize::MAX).map(Alone::Engine);
    }
    Ok(Alone::Unkept(hir.clone()))
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
        for state in &dfa.states {
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
