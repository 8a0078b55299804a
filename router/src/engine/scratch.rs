//! What the expansion of one state keeps, and the next one uses again.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::dfa::StateKey;
use super::hash::Fx;
use super::nfa::StateId;

/// A kernel, and what else decides where it leads.
type Memo = (Vec<StateId>, u32, bool, u8);

pub(super) struct Scratch {
    /// By class.
    transitions: Box<[Transition]>,
    touched: Vec<u16>,
    pub(super) memo: HashMap<Memo, StateKey, BuildHasherDefault<Fx>>,
    pub(super) roots: HashMap<(u16, u32, bool), StateKey, BuildHasherDefault<Fx>>,
}

/// What a character of one class leads to.
#[derive(Clone, Default)]
pub(super) struct Transition {
    /// Where the states of the set go.
    pub(super) kernel: Vec<StateId>,
    /// What has matched in front of the character.
    pub(super) decided: Option<(u32, bool)>,
}

#[expect(
    clippy::indexing_slicing,
    reason = "there is a transition for each class of the alphabet, and sets have classes of that alphabet"
)]
impl Scratch {
    pub(super) fn new(classes: usize) -> Self {
        Self {
            transitions: vec![Transition::default(); classes].into(),
            touched: Vec::new(),
            memo: HashMap::default(),
            roots: HashMap::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        for class in self.touched.drain(..) {
            let transition = &mut self.transitions[usize::from(class)];
            transition.kernel.clear();
            transition.decided = None;
        }
        self.memo.clear();
    }

    pub(super) fn transition(&self, class: u16) -> &Transition {
        &self.transitions[usize::from(class)]
    }

    pub(super) fn put(&mut self, set: Option<&[u16]>, next: StateId, steps: &mut usize) {
        for &class in set.into_iter().flatten() {
            *steps += 1;
            let kernel = &mut self.transitions[usize::from(class)].kernel;
            if kernel.is_empty() {
                self.touched.push(class);
            }
            kernel.push(next);
        }
    }

    pub(super) fn decide(&mut self, class: u16, now: (u32, bool)) {
        self.touched.push(class);
        self.transitions[usize::from(class)].decided = Some(now);
    }
}
