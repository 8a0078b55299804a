//! The subset construction that knows about order.
//!
//! A state of the deterministic automaton is a set of states of the
//! nondeterministic one together with the best pattern that has already
//! matched; states of that pattern and of later ones are dropped from
//! the set. Leftmost-first search over all patterns would be something else:
//! with the patterns `b`, `a` and the text `ab` it finds `a`, and the first in
//! the list that matches is `b`.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use super::alphabet::{Alphabet, Beside};
use super::dfa::{Dfa, DfaState, NONE, PerState, StateKey};
use super::hash::Fx;
use super::nfa::{self, Nfa, State, StateId};
use super::scratch::Scratch;

/// What an automaton may cost before it is given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// States of the result.
    pub(crate) states: usize,
    /// Words in all sets of states and transitions together.
    pub(crate) words: usize,
    /// Elementary steps; what is left of them stays for the next automaton.
    pub(crate) steps: usize,
}

/// The automaton does not fit the budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverBudget;

/// What a state of the result stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Set {
    /// The best pattern that has already matched.
    best: u32,
    /// Patterns without `^` may still start further on.
    searching: bool,
    /// The tracked pattern has matched.
    tracked: bool,
    /// What is in front, as far as the assertions of the states ask.
    before: Beside,
    /// In order.
    states: Box<[StateId]>,
}

pub(crate) struct Determinizer {
    nfa: Nfa,
    alphabet: Alphabet,
    sets: Vec<Box<[u16]>>,
    has_looks: bool,

    /// Patterns without `^` start again at every position. Their first states
    /// are in every set, so they are not written into any.
    search: Search,
    /// A pattern that is kept although a better one has matched.
    tracked: u32,

    keys: HashMap<Rc<Set>, StateKey, BuildHasherDefault<Fx>>,
    /// By key.
    found: Vec<Rc<Set>>,
    seen: Vec<u32>,
    stamp: u32,
    stack: Vec<StateId>,
    steps: usize,
    max_steps: usize,
    words: usize,
}

#[derive(Default)]
struct Search {
    /// The best of the patterns without `^`.
    best: u32,
    implied: Vec<bool>,
    /// By class: the states behind that first character.
    after: Vec<Closure>,
}

#[derive(Clone, Default)]
struct Closure {
    states: Vec<StateId>,
    matched: Vec<u32>,
}

impl Determinizer {
    pub(crate) fn new(mut nfa: Nfa) -> Result<Self, OverBudget> {
        let sets = std::mem::take(&mut nfa.sets);
        let (alphabet, sets) = Alphabet::new(sets, nfa.needs).ok_or(OverBudget)?;
        let has_looks = nfa
            .states
            .iter()
            .any(|state| matches!(state, State::Look { .. }));
        let seen = vec![0; nfa.states.len()];
        Ok(Self {
            nfa,
            alphabet,
            sets,
            has_looks,
            search: Search {
                best: NONE,
                ..Search::default()
            },
            tracked: NONE,
            keys: HashMap::default(),
            found: Vec::new(),
            seen,
            stamp: 0,
            stack: Vec::new(),
            steps: 0,
            max_steps: usize::MAX,
            words: 0,
        })
    }

    /// Keeps one pattern in the sets although others win, and notes the states
    /// in which it would have won.
    pub(crate) fn track(mut self, pattern: u32) -> Self {
        self.tracked = pattern;
        self
    }

    /// Runs the construction; takes the steps it needed out of `budget`.
    pub(crate) fn run(mut self, budget: &mut Budget) -> Result<Dfa, OverBudget> {
        self.max_steps = budget.steps;
        let result = self.construct(*budget);
        budget.steps = budget.steps.saturating_sub(self.steps);
        result.map(|(states, start)| Dfa {
            alphabet: self.alphabet,
            states: PerState::new(states),
            start,
        })
    }

    fn construct(&mut self, budget: Budget) -> Result<(Vec<DfaState>, StateKey), OverBudget> {
        self.prepare_search();
        let mut scratch = Scratch::new(self.alphabet.len());
        let start = self.start();
        let mut states = Vec::new();
        // Each state is found before it is expanded, and those that it leads to are found by that.
        while let Some(set) = self.found.get(states.len()).map(Rc::clone) {
            let state = self.expand(StateKey::of(states.len()), &set, &mut scratch);
            self.words += 2 * state.exceptions.len() + 8;
            states.push(state);
            if self.found.len() > budget.states
                || self.words > budget.words
                || self.steps > budget.steps
            {
                return Err(OverBudget);
            }
        }
        Ok((states, start))
    }

    fn start(&mut self) -> StateKey {
        let mut closure = Closure::default();
        let mut searching = false;
        self.stamp += 1;
        let starts = self.nfa.starts.clone();
        for start in starts {
            searching |= !start.anchored;
            self.close(start.state, Beside::EDGE, None, &mut closure);
        }
        self.intern(NONE, searching, false, Beside::EDGE, &mut closure)
    }

    fn prepare_search(&mut self) {
        let starts = self.nfa.starts.clone();
        let mut unanchored = starts
            .iter()
            .enumerate()
            .filter(|(_, start)| !start.anchored)
            .peekable();
        let Some(&(first, _)) = unanchored.peek() else {
            return;
        };
        self.search.best = first as u32;
        // Somewhere inside: no `^` holds, so this is right behind any character
        // as far as the states that take one are concerned. Those that look
        // around, and what is reached through them, depend on the character.
        let mut inside = Closure::default();
        self.stamp += 1;
        for (_, start) in unanchored {
            self.close_blindly(start.state, &mut inside);
        }
        let mut implied = vec![false; self.nfa.states.len()];
        let mut kernels = vec![Vec::new(); self.alphabet.len()];
        for &id in &inside.states {
            if let (Some(State::Take { set, next }), Some(implied)) = (
                self.nfa.states.get(id as usize),
                implied.get_mut(id as usize),
            ) {
                *implied = true;
                for &class in self.sets.get(*set as usize).into_iter().flatten() {
                    if let Some(kernel) = kernels.get_mut(usize::from(class)) {
                        kernel.push(*next);
                    }
                }
            }
        }
        self.search.implied = implied;
        // Each class: what follows the first character, and the patterns that
        // start right behind it with an assertion.
        for (class, kernel) in kernels.iter().enumerate() {
            let mut closure = Closure::default();
            let before = self.alphabet.beside(class as u16);
            self.stamp += 1;
            for &next in kernel {
                self.close(next, before, None, &mut closure);
            }
            for start in starts.iter().filter(|start| !start.anchored) {
                self.close(start.state, before, None, &mut closure);
            }
            closure.states.retain(|&id| !self.is_implied(id));
            self.search.after.push(closure);
        }
    }

    fn is_implied(&self, id: StateId) -> bool {
        self.search
            .implied
            .get(id as usize)
            .copied()
            .unwrap_or(false)
    }

    /// The states that take a character and are reached without any assertion.
    fn close_blindly(&mut self, start: StateId, into: &mut Closure) {
        self.stack.push(start);
        while let Some(id) = self.stack.pop() {
            let Some(seen) = self.seen.get_mut(id as usize) else {
                continue;
            };
            if std::mem::replace(seen, self.stamp) == self.stamp {
                continue;
            }
            match self.nfa.states.get(id as usize) {
                Some(State::Take { .. }) => into.states.push(id),
                Some(State::Split(branches)) => self.stack.extend(branches.iter().rev()),
                _ => {}
            }
        }
    }

    /// Adds what is reached from `start` without taking a character. Where the
    /// text that follows is not known yet, assertions about it stay in the set.
    fn close(&mut self, start: StateId, before: Beside, after: Option<Beside>, into: &mut Closure) {
        self.stack.push(start);
        while let Some(id) = self.stack.pop() {
            let Some(seen) = self.seen.get_mut(id as usize) else {
                continue;
            };
            if std::mem::replace(seen, self.stamp) == self.stamp {
                continue;
            }
            self.steps += 1;
            match self.nfa.states.get(id as usize) {
                Some(State::Take { .. }) => into.states.push(id),
                Some(State::Split(branches)) => self.stack.extend(branches.iter().rev()),
                Some(State::Look { look, next }) => {
                    let decided = match after {
                        Some(after) => Some(nfa::holds(*look, before, after)),
                        None => nfa::decided_before(*look, before),
                    };
                    match decided {
                        Some(true) => self.stack.push(*next),
                        Some(false) => {}
                        None => into.states.push(id),
                    }
                }
                Some(State::Match) => into.matched.extend(self.nfa.owner.get(id as usize)),
                None => {}
            }
        }
    }

    /// The state of the result that stands for a set.
    fn intern(
        &mut self,
        best: u32,
        searching: bool,
        tracked: bool,
        before: Beside,
        closure: &mut Closure,
    ) -> StateKey {
        let best = closure
            .matched
            .iter()
            .copied()
            .filter(|&p| p != self.tracked)
            .fold(best, u32::min);
        let tracked = tracked || closure.matched.contains(&self.tracked);
        let searching =
            searching && (self.search.best < best || (self.tracked != NONE && !tracked));
        let mut states = Vec::with_capacity(closure.states.len());
        let mut asked = Beside::NOTHING;
        let many = closure.states.len();
        self.steps += many * many.checked_ilog2().unwrap_or(0) as usize / 4;
        closure.states.sort_unstable();
        for &id in &closure.states {
            let owner = self.nfa.owner.get(id as usize).copied().unwrap_or(NONE);
            let wanted = if owner == self.tracked {
                !tracked
            } else {
                owner < best
            };
            if !wanted || (searching && self.is_implied(id)) {
                continue;
            }
            // An assertion that waits for the next character, or one behind it,
            // may ask about this one.
            if let Some(State::Look { .. }) = self.nfa.states.get(id as usize) {
                asked = before;
            }
            states.push(id);
        }
        let set = Set {
            best,
            searching,
            tracked,
            before: asked,
            states: states.into(),
        };
        let words = set.states.len() + 2;
        self.steps += words;
        if let Some(&key) = self.keys.get(&set) {
            return key;
        }
        let key = StateKey::of(self.found.len());
        let set = Rc::new(set);
        self.words += 2 * words;
        self.found.push(Rc::clone(&set));
        self.keys.insert(set, key);
        key
    }

    fn expand(&mut self, state: StateKey, set: &Set, scratch: &mut Scratch) -> DfaState {
        let &Set {
            best,
            searching,
            tracked,
            before,
            states: ref ids,
        } = set;
        let mut looks = false;
        scratch.clear();
        for &id in ids.iter() {
            if self.steps > self.max_steps {
                break;
            }
            match self.nfa.states.get(id as usize) {
                Some(State::Take { set, next }) => {
                    scratch.put(
                        self.sets.get(*set as usize).map(|set| &**set),
                        *next,
                        &mut self.steps,
                    );
                }
                Some(State::Look { .. }) => looks = true,
                _ => {}
            }
        }
        let mut at_end = (best, tracked);
        if looks {
            let end = self.close_looks(ids, before, Beside::EDGE);
            at_end = self.best_after(best, tracked, &end);
            // What an assertion lets through may depend on the next character.
            let mut sides: Vec<(Beside, Closure)> = Vec::new();
            for class in 0..self.alphabet.len() as u16 {
                let after = self.alphabet.beside(class);
                if !sides.iter().any(|(side, _)| *side == after) {
                    let closure = self.close_looks(ids, before, after);
                    sides.push((after, closure));
                }
                if let Some((_, closure)) = sides.iter().find(|(side, _)| *side == after) {
                    self.steps += closure.states.len() + 1;
                    for &id in &closure.states {
                        if let Some(State::Take { set, next }) = self.nfa.states.get(id as usize)
                            && self
                                .sets
                                .get(*set as usize)
                                .is_some_and(|set| set.binary_search(&class).is_ok())
                        {
                            scratch.put(Some(&[class]), *next, &mut self.steps);
                        }
                    }
                    if !closure.matched.is_empty() {
                        let now = self.best_after(best, tracked, closure);
                        if now != (best, tracked) {
                            scratch.decide(class, now);
                        }
                    }
                }
            }
        }
        if !searching && ids.is_empty() {
            return DfaState {
                otherwise: state,
                exceptions: [].into(),
                at_end: best,
                decided: true,
                tracked,
            };
        }
        let mut exceptions = Vec::new();
        // The state behind all classes that lead nowhere, if there are any: a state that no text
        // leads to would count as one.
        let mut rest = None;
        let mut counts: Vec<(StateKey, usize)> = Vec::new();
        self.steps += self.alphabet.len();
        for class in 0..self.alphabet.len() as u16 {
            if self.steps > self.max_steps {
                break;
            }
            let transition = scratch.transition(class);
            let next = match transition.decided {
                None if !searching && transition.kernel.is_empty() => {
                    *rest.get_or_insert_with(|| {
                        let nowhere = &mut Closure::default();
                        self.intern(best, false, tracked, Beside::EDGE, nowhere)
                    })
                }
                decided => {
                    let (best, tracked) = decided.unwrap_or((best, tracked));
                    self.follow(class, best, tracked, searching, scratch)
                }
            };
            exceptions.push((class, next));
            match counts.iter_mut().find(|(id, _)| *id == next) {
                Some((_, count)) => *count += 1,
                None => counts.push((next, 1)),
            }
            self.steps += counts.len() / 8;
        }
        let otherwise = counts
            .iter()
            .max_by_key(|(_, count)| *count)
            .map_or(state, |&(next, _)| next);
        exceptions.retain(|&(_, next)| next != otherwise);
        DfaState {
            otherwise,
            exceptions: exceptions.into(),
            at_end: at_end.0,
            decided: false,
            tracked: at_end.1,
        }
    }

    fn close_looks(&mut self, ids: &[StateId], before: Beside, after: Beside) -> Closure {
        let mut closure = Closure::default();
        self.stamp += 1;
        for &id in ids {
            if let Some(&State::Look { look, next }) = self.nfa.states.get(id as usize)
                && nfa::holds(look, before, after)
            {
                self.close(next, before, Some(after), &mut closure);
            }
        }
        closure
    }

    fn best_after(&self, best: u32, tracked: bool, closure: &Closure) -> (u32, bool) {
        let best = closure
            .matched
            .iter()
            .copied()
            .filter(|&p| p != self.tracked)
            .fold(best, u32::min);
        (best, tracked || closure.matched.contains(&self.tracked))
    }

    /// The state behind a character of `class`.
    fn follow(
        &mut self,
        class: u16,
        best: u32,
        tracked: bool,
        searching: bool,
        scratch: &mut Scratch,
    ) -> StateKey {
        let kernel = &scratch.transition(class).kernel;
        let before = self.alphabet.beside(class);
        // Most classes of a state lead to the same place: `[^/]` has one
        // transition for each letter that some other pattern cares about.
        let is_root = kernel.is_empty();
        let memo = (
            kernel.clone(),
            best,
            tracked,
            if self.has_looks { before.bits() } else { 0 },
        );
        if !searching && let Some(&id) = scratch.memo.get(&memo) {
            return id;
        }
        if searching
            && is_root
            && !self.has_looks
            && let Some(&id) = scratch.roots.get(&(class, best, tracked))
        {
            return id;
        }
        let mut closure = Closure::default();
        self.stamp += 1;
        for &next in kernel {
            self.close(next, before, None, &mut closure);
        }
        if searching && let Some(after) = self.search.after.get(usize::from(class)) {
            let after = after.clone();
            self.steps += after.states.len();
            closure.states.extend(after.states.iter().filter(|&&id| {
                self.seen
                    .get(id as usize)
                    .is_some_and(|&seen| seen != self.stamp)
            }));
            closure.matched.extend(after.matched);
        }
        let id = self.intern(best, searching, tracked, before, &mut closure);
        if !searching {
            scratch.memo.insert(memo, id);
        } else if is_root {
            scratch.roots.insert((class, best, tracked), id);
        }
        id
    }
}
