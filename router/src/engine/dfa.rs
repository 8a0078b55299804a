//! The deterministic automaton over classes of characters.

use std::ops::{Index, IndexMut};

use super::alphabet::Alphabet;

/// No pattern; greater than all of them, so that `min` finds the best.
pub(crate) const NONE: u32 = u32::MAX;

/// Names a state of an automaton. Only the construction makes one, when it adds the state, and no
/// state is taken away: there is none behind a key that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StateKey(u32);

/// One value for each state of an automaton.
#[derive(Clone, Debug)]
pub(crate) struct PerState<T>(Box<[T]>);

impl<T> Index<StateKey> for PerState<T> {
    type Output = T;

    #[expect(
        clippy::indexing_slicing,
        reason = "a key is the place of a state that is there"
    )]
    fn index(&self, key: StateKey) -> &T {
        &self.0[key.0 as usize]
    }
}

impl<T> IndexMut<StateKey> for PerState<T> {
    #[expect(
        clippy::indexing_slicing,
        reason = "a key is the place of a state that is there"
    )]
    fn index_mut(&mut self, key: StateKey) -> &mut T {
        &mut self.0[key.0 as usize]
    }
}

impl StateKey {
    /// For the construction alone: the key of the state that has or gets this place.
    pub(super) fn of(place: usize) -> Self {
        Self(place as u32)
    }
}

impl<T> PerState<T> {
    pub(super) fn new(values: Vec<T>) -> Self {
        Self(values.into())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// The same value for all of these states.
    pub(crate) fn fill<U: Clone>(&self, value: U) -> PerState<U> {
        PerState(vec![value; self.0.len()].into())
    }
}

#[derive(Debug)]
pub(crate) struct Dfa {
    pub(crate) alphabet: Alphabet,
    pub(crate) states: PerState<DfaState>,
    pub(crate) start: StateKey,
}

#[derive(Debug)]
pub(crate) struct DfaState {
    /// Where every class goes that is not an exception.
    pub(crate) otherwise: StateKey,
    pub(crate) exceptions: Box<[(u16, StateKey)]>,
    /// The best pattern if the text ends here.
    pub(crate) at_end: u32,
    /// Nothing that follows changes `at_end`.
    pub(crate) decided: bool,
    /// The tracked pattern has matched, see [`Determinizer::track`].
    pub(crate) tracked: bool,
}

impl DfaState {
    pub(crate) fn next(&self, class: u16) -> StateKey {
        self.exceptions
            .binary_search_by_key(&class, |&(class, _)| class)
            .ok()
            .and_then(|at| self.exceptions.get(at))
            .map_or(self.otherwise, |&(_, next)| next)
    }
}
