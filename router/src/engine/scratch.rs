//! What the expansion of one state keeps, and the next one uses again.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::hash::Fx;
use super::nfa::StateId;

/// A kernel, and what else decides where it leads.
type Memo = (Vec<StateId>, u32, bool, u8);

pub(super) struct Scratch {
    /// By class: where the states of the set go.
    pub(super) kernels: Vec<Vec<StateId>>,
    /// By class: what has matched in front of the character.
    pub(super) judged: Vec<Option<(u32, bool)>>,
    pub(super) touched: Vec<u16>,
    pub(super) memo: HashMap<Memo, u32, BuildHasherDefault<Fx>>,
    pub(super) roots: HashMap<(usize, u32, bool), u32, BuildHasherDefault<Fx>>,
}

impl Scratch {
    pub(super) fn new(classes: usize) -> Self {
        Self {
            kernels: vec![Vec::new(); classes],
            judged: vec![None; classes],
            touched: Vec::new(),
            memo: HashMap::default(),
            roots: HashMap::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        for class in self.touched.drain(..) {
            if let Some(kernel) = self.kernels.get_mut(usize::from(class)) {
                kernel.clear();
            }
            if let Some(judged) = self.judged.get_mut(usize::from(class)) {
                *judged = None;
            }
        }
        self.memo.clear();
    }

    pub(super) fn put(&mut self, set: Option<&[u16]>, next: StateId, steps: &mut usize) {
        for &class in set.into_iter().flatten() {
            *steps += 1;
            if let Some(kernel) = self.kernels.get_mut(usize::from(class)) {
                if kernel.is_empty() {
                    self.touched.push(class);
                }
                kernel.push(next);
            }
        }
    }

    pub(super) fn judge(&mut self, class: u16, now: (u32, bool)) {
        self.touched.push(class);
        if let Some(judged) = self.judged.get_mut(usize::from(class)) {
            *judged = Some(now);
        }
    }
}
