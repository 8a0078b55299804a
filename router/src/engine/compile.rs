//! The nodes of a program, read off the deterministic automaton.

use std::collections::HashMap;

use super::alphabet::Alphabet;
use super::dfa::{Dfa, DfaState, NONE, PerState, StateKey};
use super::nodes::{Node, NodeKey, Nodes, Set};
use super::program::{Program, WIDE};

pub(super) fn compile(dfa: &Dfa) -> Program {
    Compiler::new(dfa).compile()
}

struct Compiler<'d> {
    dfa: &'d Dfa,
    alphabet: &'d Alphabet,
    nodes: Nodes,
    of_state: PerState<Option<NodeKey>>,
    todo: Vec<(StateKey, NodeKey)>,
    tables: Vec<NodeKey>,
    rows: HashMap<Vec<NodeKey>, u32>,
    sets: Vec<[u8; 256]>,
    set_ids: HashMap<[u64; 4], Set>,
    set_count: usize,
    wide_classes: Vec<u16>,
}

impl<'d> Compiler<'d> {
    fn new(dfa: &'d Dfa) -> Self {
        let alphabet = &dfa.alphabet;
        Self {
            dfa,
            alphabet,
            nodes: Nodes::default(),
            of_state: dfa.states.fill(None),
            todo: Vec::new(),
            tables: Vec::new(),
            rows: HashMap::new(),
            sets: Vec::new(),
            set_ids: HashMap::new(),
            set_count: 0,
            wide_classes: (0..alphabet.len() as u16)
                .filter(|&class| alphabet.is_wide(class))
                .collect(),
        }
    }

    fn compile(mut self) -> Program {
        let mut start = self.node(self.dfa.start);
        while let Some((state, slot)) = self.todo.pop() {
            let node = self.translate(state);
            self.nodes.set(slot, node);
        }
        let nodes = self
            .nodes
            .in_order(&mut start, &mut self.tables, self.alphabet.len());
        let mut classes = Box::new([WIDE; 256]);
        classes
            .iter_mut()
            .zip(self.alphabet.ascii)
            .for_each(|(slot, class)| *slot = class);
        Program {
            nodes,
            tables: self.tables.into(),
            sets: self.sets.into(),
            classes,
            wide: self.alphabet.wide.clone(),
            start,
        }
    }

    /// The node of a state, to be filled in later.
    fn node(&mut self, state: StateKey) -> NodeKey {
        if let Some(node) = self.of_state[state] {
            return node;
        }
        let node = self.nodes.push(Node::Decided { best: NONE });
        self.of_state[state] = Some(node);
        self.todo.push((state, node));
        node
    }

    fn translate(&mut self, id: StateKey) -> Node {
        let state = &self.dfa.states[id];
        if state.decided {
            return Node::Decided { best: state.at_end };
        }
        let at_end = state.at_end;
        let loops = (0..self.alphabet.len() as u16).any(|class| state.next(class) == id);
        if loops {
            return self.translate_loop(id, state);
        }
        if let Some(step) = self.step(id) {
            return match step.take {
                Take::Char(first) => self.translate_literal(&step, first, at_end),
                Take::Bytes(bytes) => self.translate_count(&step, bytes, at_end),
            };
        }
        Node::Branch {
            table: self.table(state),
            at_end,
        }
    }

    fn translate_loop(&mut self, id: StateKey, state: &DfaState) -> Node {
        let at_end = state.at_end;
        let all_wide = self
            .wide_classes
            .iter()
            .all(|&class| state.next(class) == id);
        let mut bytes = [0_u64; 4];
        if all_wide {
            bytes[2] = u64::MAX;
            bytes[3] = u64::MAX;
        }
        let mut stops = Vec::new();
        for (byte, &class) in self.alphabet.ascii.iter().enumerate() {
            if state.next(class) == id {
                set_bit(&mut bytes, byte);
            } else {
                stops.push((byte as u8, state.next(class)));
            }
        }
        if all_wide && let &[(byte, next)] = stops.as_slice() {
            let next = self.node(next);
            return match byte {
                b'/' => Node::Segment { next, at_end },
                byte => Node::Until { byte, next, at_end },
            };
        }
        if all_wide && stops.is_empty() {
            return Node::Decided { best: at_end };
        }
        let table = self.table(state);
        Node::Run {
            set: self.set(bytes),
            table,
            at_end,
        }
    }

    /// The one way forward from a state that otherwise behaves as another.
    fn step(&self, id: StateKey) -> Option<Step> {
        let state = &self.dfa.states[id];
        if state.decided {
            return None;
        }
        let fail = state.otherwise;
        let like = &self.dfa.states[fail];
        // To go there without taking the character must not come back here.
        if fail == id || like.otherwise != fail {
            return None;
        }
        let mut next = None;
        let mut classes = Vec::new();
        let own = state
            .exceptions
            .iter()
            .chain(&like.exceptions)
            .map(|&(class, _)| class);
        for class in own {
            let target = state.next(class);
            if target == like.next(class) || classes.contains(&class) {
                continue;
            }
            if *next.get_or_insert(target) != target || target == id {
                return None;
            }
            classes.push(class);
        }
        let next = next?;
        let take = match classes.as_slice() {
            // Zeros stand for what is behind the end of the text.
            &[class] if self.alphabet.single(class).is_some_and(|c| c != '\0') => {
                Take::Char(self.alphabet.single(class)?)
            }
            classes => {
                let mut bytes = [0; 4];
                if classes.iter().any(|&class| self.alphabet.is_wide(class)) {
                    return None;
                }
                for (byte, class) in self.alphabet.ascii.iter().enumerate() {
                    if classes.contains(class) {
                        set_bit(&mut bytes, byte);
                    }
                }
                Take::Bytes(bytes)
            }
        };
        Some(Step { take, next, fail })
    }

    /// The step of a state inside a chain: at the end of the text, too, it has
    /// to behave as the state that the chain fails to.
    fn inner_step(&self, id: StateKey, fail: StateKey) -> Option<Step> {
        let step = self.step(id)?;
        let same_end = self.dfa.states[id].at_end == self.dfa.states[fail].at_end;
        (step.fail == fail && same_end).then_some(step)
    }

    fn translate_literal(&mut self, step: &Step, first: char, at_end: u32) -> Node {
        let mut literal = String::from(first);
        let mut next = step.next;
        while let Some(Step {
            take: Take::Char(c),
            next: further,
            ..
        }) = self.inner_step(next, step.fail)
        {
            literal.push(c);
            next = further;
            if literal.len() > 250 {
                break;
            }
        }
        let (mut next, fail) = (self.node(next), self.node(step.fail));
        // Inside the literal the end of the text is what it is for `fail`.
        let inner_end = self.dfa.states[step.fail].at_end;
        let mut chunks = chunks(&literal).into_iter().rev().peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let word = |byte: fn(u8) -> u8| {
                chunk
                    .iter()
                    .rev()
                    .fold(0, |word, &b| word << 8 | u64::from(byte(b)))
            };
            let last = chunks.peek().is_none();
            let node = Node::Literal {
                word: word(|byte| byte),
                mask: word(|_| 0xFF),
                len: chunk.len() as u8,
                next,
                fail,
                at_end: if last { at_end } else { inner_end },
            };
            if last {
                return node;
            }
            next = self.nodes.push(node);
        }
    }

    fn translate_count(&mut self, step: &Step, bytes: [u64; 4], at_end: u32) -> Node {
        let mut count = 1;
        let mut next = step.next;
        while let Some(Step {
            take: Take::Bytes(more),
            next: further,
            ..
        }) = self.inner_step(next, step.fail)
            && more == bytes
            && count < 1 << 16
        {
            count += 1;
            next = further;
        }
        let (next, fail) = (self.node(next), self.node(step.fail));
        Node::Count {
            set: self.set(bytes),
            count,
            next,
            fail,
            at_end,
        }
    }

    fn table(&mut self, state: &DfaState) -> u32 {
        let row: Vec<NodeKey> = (0..self.alphabet.len() as u16)
            .map(|class| self.node(state.next(class)))
            .collect();
        if let Some(&start) = self.rows.get(&row) {
            return start;
        }
        let start = self.tables.len() as u32;
        self.tables.extend_from_slice(&row);
        self.rows.insert(row, start);
        start
    }

    fn set(&mut self, bytes: [u64; 4]) -> Set {
        if let Some(&set) = self.set_ids.get(&bytes) {
            return set;
        }
        if self.set_count.is_multiple_of(8) {
            self.sets.push([0; 256]);
        }
        let has = |byte: u8| {
            bytes
                .get(usize::from(byte / 64))
                .is_some_and(|word| word >> (byte % 64) & 1 != 0)
        };
        let set = Set {
            table: (self.set_count / 8) as u32,
            mask: 1 << (self.set_count % 8),
        };
        self.set_count += 1;
        if let Some(table) = self.sets.last_mut() {
            for (byte, slot) in (0..=u8::MAX).zip(table) {
                if has(byte) {
                    *slot |= set.mask;
                }
            }
        }
        self.set_ids.insert(bytes, set);
        set
    }
}

/// A literal in pieces of at most eight bytes, none of which begins inside a
/// character.
fn chunks(mut literal: &str) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    while !literal.is_empty() {
        let end = (1..=literal.len().min(8)).rfind(|&at| literal.is_char_boundary(at));
        let (chunk, rest) = literal.split_at(end.unwrap_or(literal.len()));
        chunks.push(chunk.as_bytes());
        literal = rest;
    }
    chunks
}

struct Step {
    take: Take,
    next: StateKey,
    fail: StateKey,
}

enum Take {
    Char(char),
    /// Bytes of ASCII.
    Bytes([u64; 4]),
}

fn set_bit(bits: &mut [u64; 4], bit: usize) {
    if let Some(word) = bits.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}
