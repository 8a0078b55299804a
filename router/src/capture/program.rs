//! The program of a pattern: how it is made of steps, and run.

use regex_syntax::hir::Hir;

use super::op::Op;
use super::position::Position;
use super::write;
use crate::engine::Words;

/// The steps that find the groups of one pattern.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Groups right behind literals: what most routes consist of.
    segments: Box<[Segment]>,
    rest: Box<[Op]>,
    /// Whether there are groups in the rest.
    rest_saves: bool,
    /// Whether the segments are the groups in their order, and all of them.
    only_segments: bool,
}

/// A literal to skip, then a group up to a byte or to the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    skip: u32,
    slot: u16,
    byte: u8,
    to_end: bool,
}

impl Program {
    /// The program of a pattern; `None` where it would have to guess.
    pub(crate) fn new(hir: &Hir, groups: usize) -> Option<Self> {
        let ops = write::ops(hir)?;
        let (segments, rest) = segments(&ops);
        let rest_saves = rest.iter().any(|op| matches!(op, Op::Save(_)));
        let slots = segments.iter().map(|segment| usize::from(segment.slot));
        let only_segments = slots.eq((0..groups).map(|group| 2 * group));
        (ops.len() < usize::from(u16::MAX)).then(|| Self {
            segments: segments.into(),
            rest: rest.into(),
            rest_saves,
            only_segments,
        })
    }

    /// Where each segment is a group: they need no program then.
    #[inline]
    pub(crate) fn only_segments(&self) -> Option<&[Segment]> {
        self.only_segments.then_some(&*self.segments)
    }

    /// Bytes on the heap.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.segments) + size_of_val(&*self.rest)
    }

    /// Writes the positions of the groups.
    #[inline]
    pub(crate) fn groups<P: Position>(&self, text: &str, words: Words, slots: &mut [P]) {
        let at = self.run_segments(text, words, slots);
        if self.rest_saves {
            self.run_rest(text, words, at, slots);
        }
    }

    /// The end of the match.
    pub(crate) fn end(&self, text: &str) -> usize {
        let words = Words::new(text);
        let at = self.run_segments::<usize>(text, words, &mut []);
        self.run_rest::<usize>(text, words, at, &mut [])
    }

    #[inline]
    fn run_segments<P: Position>(&self, text: &str, words: Words, slots: &mut [P]) -> usize {
        let mut at = 0;
        for segment in &self.segments {
            let from;
            (from, at) = segment.span(text, words, at);
            let slot = usize::from(segment.slot);
            if let Some([start, end]) = slots.get_mut(slot..slot + 2) {
                (*start, *end) = (P::at(from), P::at(at));
            }
        }
        at
    }

    fn run_rest<P: Position>(
        &self,
        text: &str,
        words: Words,
        mut at: usize,
        slots: &mut [P],
    ) -> usize {
        let bytes = text.as_bytes();
        let rest = |at: usize| bytes.get(at..).unwrap_or_default();
        let mut pc = 0;
        while let Some(op) = self.rest.get(pc) {
            pc += 1;
            match op {
                Op::Save(slot) => {
                    if let Some(slot) = slots.get_mut(usize::from(*slot)) {
                        *slot = P::at(at);
                    }
                }
                Op::Skip(count) => at += *count as usize,
                Op::Char => at += width(rest(at).first().copied().unwrap_or(0)),
                Op::Until(byte) => {
                    at = words
                        .find(rest(at), *byte)
                        .map_or(bytes.len(), |found| at + found);
                }
                Op::UntilAny(set) => {
                    at += rest(at)
                        .iter()
                        .position(|&b| set.has(b))
                        .unwrap_or(rest(at).len());
                }
                Op::ToEnd => at = bytes.len(),
                Op::FromEnd(back) => at = bytes.len().saturating_sub(*back as usize),
                Op::BehindLast { byte, back } => {
                    let behind = bytes
                        .iter()
                        .rposition(|b| b == byte)
                        .map_or(0, |found| found + 1);
                    at = behind.saturating_sub(*back as usize);
                }
                Op::Peek { first, otherwise } => {
                    if !rest(at).first().is_some_and(|&b| first.has(b)) {
                        pc = usize::from(*otherwise);
                    }
                }
                Op::PeekByte { first, otherwise } => {
                    if rest(at).first() != Some(first) {
                        pc = usize::from(*otherwise);
                    }
                }
                Op::Choose(literals) => {
                    let chosen = literals
                        .iter()
                        .find(|literal| rest(at).starts_with(literal));
                    at += chosen.map_or(0, |literal| literal.len());
                }
                Op::Goto(target) => pc = usize::from(*target),
            }
        }
        at
    }
}

impl Segment {
    /// Where the group is, if that before it ends at `at`.
    #[inline]
    pub(crate) fn span(&self, text: &str, words: Words, at: usize) -> (usize, usize) {
        let from = at + self.skip as usize;
        if self.to_end {
            return (from, text.len());
        }
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        let found = match self.byte {
            b'/' => words.slash(rest, text.len()),
            byte => words.find(rest, byte),
        };
        (from, found.map_or(text.len(), |found| from + found))
    }
}

/// The groups right behind literals at the beginning of a program, and the rest.
/// Where there are jumps, steps have to stay in their places.
fn segments(ops: &[Op]) -> (Vec<Segment>, &[Op]) {
    let mut segments = Vec::new();
    let mut rest = ops;
    if ops
        .iter()
        .any(|op| matches!(op, Op::Peek { .. } | Op::PeekByte { .. } | Op::Goto(_)))
    {
        return (segments, rest);
    }
    loop {
        let (skip, group) = match rest {
            [Op::Skip(skip), group @ ..] => (*skip, group),
            group => (0, group),
        };
        let (slot, byte, behind) = match group {
            [Op::Save(slot), Op::Until(byte), Op::Save(end), behind @ ..] if *end == slot + 1 => {
                (*slot, Some(*byte), behind)
            }
            [Op::Save(slot), Op::ToEnd, Op::Save(end), behind @ ..] if *end == slot + 1 => {
                (*slot, None, behind)
            }
            _ => return (segments, rest),
        };
        segments.push(Segment {
            skip,
            slot,
            byte: byte.unwrap_or(0),
            to_end: byte.is_none(),
        });
        rest = behind;
    }
}

fn width(first: u8) -> usize {
    match first {
        ..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}
