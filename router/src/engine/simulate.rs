//! One pattern followed state by state: slower than any engine, in almost no
//! memory, and linear in the text like all of them.

use regex_syntax::hir::Hir;

use super::alphabet::Beside;
use super::nfa::{Nfa, STATE_STEPS, State, StateId, holds};
use super::steps::Steps;

/// A pattern whose automaton is not made deterministic at all.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    nfa: Nfa,
}

impl Simulation {
    /// `None` for a form that only the general engine understands.
    pub(crate) fn new(hir: &Hir) -> Option<Self> {
        let nfa = Nfa::new([hir], StateId::MAX as usize).ok()?;
        Some(Self { nfa })
    }

    /// The steps that it takes to be made.
    pub(super) fn cost(&self) -> usize {
        STATE_STEPS * self.nfa.states.len()
    }

    pub(crate) fn is_match(&self, text: &str, steps: &mut impl Steps) -> bool {
        let Some(start) = self.nfa.starts.first() else {
            return false;
        };
        let mut here = Places::new(self.nfa.states.len());
        let mut kernel = vec![start.state];
        let mut before = Beside::EDGE;
        let mut characters = text.chars();
        loop {
            let character = characters.next();
            let after = character.map_or(Beside::EDGE, |c| Beside::of(c, self.nfa.needs));
            if self.close(&mut kernel, before, after, &mut here, steps) {
                return true;
            }
            let Some(c) = character else { return false };
            steps.add(here.takes.len());
            for &id in &here.takes {
                if let Some(State::Take { set, next }) = self.nfa.states.get(id as usize)
                    && self.nfa.sets.has(*set, c)
                {
                    kernel.push(*next);
                }
            }
            if !start.anchored {
                kernel.push(start.state);
            } else if kernel.is_empty() {
                return false;
            }
            before = after;
        }
    }

    /// Empties `kernel` into the states that it leads to without a character;
    /// whether the end of the pattern is among them.
    fn close(
        &self,
        kernel: &mut Vec<StateId>,
        before: Beside,
        after: Beside,
        into: &mut Places,
        steps: &mut impl Steps,
    ) -> bool {
        into.clear();
        while let Some(id) = kernel.pop() {
            steps.add(1);
            if !into.is_new(id) {
                continue;
            }
            match self.nfa.states.get(id as usize) {
                Some(State::Take { .. }) => into.takes.push(id),
                Some(State::Split(branches)) => kernel.extend(branches),
                Some(State::Look { look, next }) if holds(*look, before, after) => {
                    kernel.push(*next);
                }
                Some(State::Match) => return true,
                Some(State::Look { .. }) | None => {}
            }
        }
        false
    }
}

/// The states between two characters.
struct Places {
    /// Those that take the next one.
    takes: Vec<StateId>,
    seen: Vec<u32>,
    stamp: u32,
}

impl Places {
    fn new(states: usize) -> Self {
        Self {
            takes: Vec::new(),
            seen: vec![0; states],
            stamp: 0,
        }
    }

    fn clear(&mut self) {
        self.takes.clear();
        // A text of four gigabytes would come around to old stamps.
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.seen.fill(0);
            self.stamp = 1;
        }
    }

    fn is_new(&mut self, id: StateId) -> bool {
        self.seen
            .get_mut(id as usize)
            .is_some_and(|seen| std::mem::replace(seen, self.stamp) != self.stamp)
    }
}
