//! Where the groups of the winning pattern are.
//!
//! That the pattern matches is known by now, so a short program can often tell
//! where: skip the literal, run to the slash, and so on. A program is made only
//! where each step has one way to go on (the characters of a run are not among
//! those that may follow it); other patterns ask the general engine, alone.

use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, meta};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::engine::{class_ranges, find_byte};

/// A position in the text: in four bytes, but for texts of four gigabytes.
pub(crate) trait Position: Copy {
    /// The position of a group that took no part.
    const UNSET: Self;
    fn at(at: usize) -> Self;
}

impl Position for u32 {
    const UNSET: Self = Self::MAX;

    #[inline]
    fn at(at: usize) -> Self {
        at as Self
    }
}

impl Position for usize {
    const UNSET: Self = Self::MAX;

    #[inline]
    fn at(at: usize) -> Self {
        at
    }
}

/// The steps that find the groups of one pattern.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Groups right behind literals: what most routes consist of.
    segments: Box<[Segment]>,
    rest: Box<[Op]>,
    /// Whether there are groups in the rest.
    rest_saves: bool,
}

/// A literal to skip, then a group up to a byte or to the end.
#[derive(Clone, Copy, Debug)]
struct Segment {
    skip: u32,
    slot: u16,
    byte: u8,
    to_end: bool,
}

#[derive(Clone, Debug)]
enum Op {
    /// Notes the position.
    Save(u16),
    Skip(u32),
    /// Skips one character.
    Char,
    Until(u8),
    UntilAny(Box<Bytes>),
    ToEnd,
    /// Goes back from the end.
    FromEnd(u32),
    /// Goes behind the last such byte, and back from there.
    BehindLast {
        byte: u8,
        back: u32,
    },
    /// Goes to `otherwise` unless the next byte is one of these.
    Peek {
        first: Box<Bytes>,
        otherwise: u16,
    },
    PeekByte {
        first: u8,
        otherwise: u16,
    },
    /// Skips the one of these that is there.
    Choose(Box<[Box<[u8]>]>),
    Goto(u16),
}

impl Program {
    /// The program of a pattern; `None` where it would have to guess.
    pub(crate) fn new(hir: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = hir.kind() else {
            return None;
        };
        let (first, mut rest) = parts.split_first()?;
        if !matches!(first.kind(), HirKind::Look(Look::Start)) {
            return None;
        }
        let mut follow = Follow {
            bytes: Bytes::NONE,
            end: false,
            anything: true,
        };
        if let Some((last, body)) = rest.split_last()
            && matches!(last.kind(), HirKind::Look(Look::End))
        {
            follow = Follow {
                bytes: Bytes::NONE,
                end: true,
                anything: false,
            };
            rest = body;
        }
        let mut writer = Writer { ops: Vec::new() };
        writer.sequence(&rest.iter().collect::<Vec<_>>(), follow)?;
        let ops = writer.ops;
        let (segments, rest) = segments(&ops);
        let rest_saves = rest.iter().any(|op| matches!(op, Op::Save(_)));
        (ops.len() < usize::from(u16::MAX)).then(|| Self {
            segments: segments.into(),
            rest: rest.into(),
            rest_saves,
        })
    }

    /// Bytes on the heap.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.segments) + size_of_val(&*self.rest)
    }

    /// Writes the positions of the groups.
    #[inline]
    pub(crate) fn groups<P: Position>(&self, text: &str, slots: &mut [P]) {
        let at = self.run_segments(text.as_bytes(), slots);
        if self.rest_saves {
            self.run_rest(text.as_bytes(), at, slots);
        }
    }

    /// The end of the match.
    pub(crate) fn end(&self, text: &str) -> usize {
        let at = self.run_segments::<usize>(text.as_bytes(), &mut []);
        self.run_rest::<usize>(text.as_bytes(), at, &mut [])
    }

    #[inline]
    fn run_segments<P: Position>(&self, bytes: &[u8], slots: &mut [P]) -> usize {
        let mut at = 0;
        for segment in &self.segments {
            at += segment.skip as usize;
            let end = if segment.to_end {
                bytes.len()
            } else {
                find_byte(bytes, at, segment.byte).unwrap_or(bytes.len())
            };
            let slot = usize::from(segment.slot);
            if let Some([from, to]) = slots.get_mut(slot..slot + 2) {
                (*from, *to) = (P::at(at), P::at(end));
            }
            at = end;
        }
        at
    }

    fn run_rest<P: Position>(&self, bytes: &[u8], mut at: usize, slots: &mut [P]) -> usize {
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
                Op::Until(byte) => at = find_byte(bytes, at, *byte).unwrap_or(bytes.len()),
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

/// The groups by the general engine: `slots` has two places for each group and
/// none for the whole match, which is returned.
pub(crate) fn run_general<P: Position>(
    regex: &meta::Regex,
    text: &str,
    slots: &mut [P],
) -> Option<(usize, usize)> {
    // Enough for seven groups without an allocation.
    let mut few = [None; 16];
    let mut many = Vec::new();
    let found: &mut [Option<NonMaxUsize>] = match few.get_mut(..slots.len() + 2) {
        Some(few) => few,
        None => {
            many.resize(slots.len() + 2, None);
            &mut many
        }
    };
    regex.search_slots(&Input::new(text), found)?;
    let mut positions = found.iter().map(|slot| slot.map(NonMaxUsize::get));
    let span = (positions.next()??, positions.next()??);
    for (slot, at) in slots.iter_mut().zip(positions) {
        *slot = at.map_or(P::UNSET, P::at);
    }
    Some(span)
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

/// A set of first bytes. A class with any character outside of ASCII has all
/// bytes from 0x80 on: too many, which costs a program and never an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes([u64; 4]);

impl Bytes {
    const NONE: Self = Self([0; 4]);

    fn has(&self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte / 64))
            .is_some_and(|word| word >> (byte % 64) & 1 != 0)
    }

    fn add(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
    }

    fn of_class(class: &Class) -> Option<Self> {
        let mut bytes = Self::NONE;
        for (start, end) in class_ranges(class)? {
            for byte in start..=end.min(0x7F) {
                bytes.add(byte as u8);
            }
            if end >= 0x80 {
                let [_, _, low, high] = &mut bytes.0;
                *low = u64::MAX;
                *high = u64::MAX;
            }
        }
        Some(bytes)
    }

    fn is_ascii(self) -> bool {
        self.0.iter().skip(2).all(|&word| word == 0)
    }

    fn union(self, other: Self) -> Self {
        let mut words = self.0;
        words
            .iter_mut()
            .zip(other.0)
            .for_each(|(word, more)| *word |= more);
        Self(words)
    }

    fn meets(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// Whether the bytes outside of ASCII say exactly which characters are meant.
    fn is_exact(&self, class: &Class) -> bool {
        // Ranges may or may not span the gap of the surrogates.
        let count = |from: u32, start: u32, end: u32| (end + 1).saturating_sub(start.max(from));
        let wide: u32 = class_ranges(class)
            .into_iter()
            .flatten()
            .map(|(start, end)| count(0x80, start, end.min(0xD7FF)) + count(0xE000, start, end))
            .sum();
        wide == 0 || wide == 0x11_0000 - 0x80 - 0x800
    }

    fn only(self) -> Option<u8> {
        let mut members = (0..=255).filter(|&byte| self.has(byte));
        let first = members.next()?;
        members.next().is_none().then_some(first)
    }
}

/// What may come behind an item.
#[derive(Clone, Copy, Debug)]
struct Follow {
    bytes: Bytes,
    end: bool,
    /// The pattern is over: whatever follows, it has matched.
    anything: bool,
}

struct Writer {
    ops: Vec<Op>,
}

impl Writer {
    fn sequence(&mut self, parts: &[&Hir], follow: Follow) -> Option<()> {
        for (i, part) in parts.iter().enumerate() {
            let rest = parts.get(i + 1..)?;
            let after = first_of(rest, follow)?;
            self.item(part, after, rest, follow)?;
        }
        Some(())
    }

    fn item(&mut self, hir: &Hir, after: Follow, rest: &[&Hir], end: Follow) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => self.skip(literal.0.len() as u32),
            HirKind::Class(class) => {
                if Bytes::of_class(class)?.is_ascii() {
                    self.skip(1);
                } else {
                    self.ops.push(Op::Char);
                }
            }
            HirKind::Capture(capture) => {
                // Slots are those of the groups: the whole match has none.
                let slot = u16::try_from(capture.index)
                    .ok()?
                    .checked_sub(1)?
                    .checked_mul(2)?;
                self.ops.push(Op::Save(slot));
                self.item(&capture.sub, after, rest, end)?;
                self.ops.push(Op::Save(slot + 1));
            }
            HirKind::Concat(parts) => {
                let parts: Vec<&Hir> = parts.iter().collect();
                for (i, part) in parts.iter().enumerate() {
                    let inner = parts.get(i + 1..)?;
                    let next = first_of(inner, after)?;
                    // The tail of the whole pattern, as far as this item sees it.
                    let tail: Vec<&Hir> = inner.iter().chain(rest).copied().collect();
                    self.item(part, next, &tail, end)?;
                }
            }
            HirKind::Repetition(repetition) => match repetition.sub.kind() {
                HirKind::Class(class)
                    if repetition.max == Some(repetition.min)
                        && Bytes::of_class(class)?.is_ascii() =>
                {
                    self.skip(repetition.min);
                }
                HirKind::Class(class) if repetition.max != Some(1) => {
                    self.run_of(class, repetition.max, repetition.greedy, after, rest, end)?;
                }
                _ => self.repeat(repetition, after)?,
            },
            HirKind::Alternation(branches) => self.alternatives(branches, after)?,
            HirKind::Look(_) => return None,
        }
        Some(())
    }

    fn skip(&mut self, count: u32) {
        if let Some(Op::Skip(before)) = self.ops.last_mut() {
            *before += count;
        } else {
            self.ops.push(Op::Skip(count));
        }
    }

    fn run_of(
        &mut self,
        class: &Class,
        max: Option<u32>,
        greedy: bool,
        after: Follow,
        rest: &[&Hir],
        end: Follow,
    ) -> Option<()> {
        let bytes = Bytes::of_class(class)?;
        if after.anything {
            // It takes what it can get, up to the first other character. A
            // character that only may follow is found there as well.
            let exact =
                bytes.is_exact(class) && max.is_none() && greedy && !bytes.meets(after.bytes);
            return exact.then(|| self.until(bytes.complement()));
        }
        if !bytes.meets(after.bytes) {
            // The pattern matches, so right behind the run is what may follow.
            self.until(after.bytes);
            return Some(());
        }
        // It could end in several places: count from the end of the text.
        if !end.end {
            return None;
        }
        let (back, last) = from_end(rest)?;
        match last {
            None => self.ops.push(Op::FromEnd(back)),
            Some(byte) => self.ops.push(Op::BehindLast { byte, back }),
        }
        Some(())
    }

    fn until(&mut self, bytes: Bytes) {
        self.ops.push(if bytes == Bytes::NONE {
            Op::ToEnd
        } else if let Some(byte) = bytes.only() {
            Op::Until(byte)
        } else {
            Op::UntilAny(Box::new(bytes))
        });
    }

    /// Anything repeated that its first byte tells from what follows.
    fn repeat(&mut self, repetition: &regex_syntax::hir::Repetition, after: Follow) -> Option<()> {
        let sub = &*repetition.sub;
        let first = first_of(
            &[sub],
            Follow {
                bytes: Bytes::NONE,
                end: false,
                anything: false,
            },
        )?;
        if sub.properties().minimum_len()? == 0 || first.bytes.meets(after.bytes) {
            return None;
        }
        // Where nothing needs to follow, a body that begins may yet not match;
        // then going on without it is right, which only one character can tell.
        if after.anything && !(is_one_exact_character(sub) && repetition.greedy) {
            return None;
        }
        if repetition.min > 4 || repetition.max.is_some_and(|max| max > 4) {
            return None;
        }
        let again = Follow {
            bytes: first.bytes.union(after.bytes),
            ..after
        };
        for _ in 0..repetition.min {
            self.item(sub, again, &[], NO_END)?;
        }
        match repetition.max {
            None => {
                let start = self.here()?;
                let peek = self.peek(first.bytes);
                self.item(sub, again, &[], NO_END)?;
                self.ops.push(Op::Goto(start));
                self.land(peek)?;
            }
            Some(max) => {
                let mut peeks = Vec::new();
                for _ in repetition.min..max {
                    peeks.push(self.peek(first.bytes));
                    self.item(sub, again, &[], NO_END)?;
                }
                for peek in peeks {
                    self.land(peek)?;
                }
            }
        }
        // Two skips in a row must not melt together over the place to land on.
        self.ops.push(Op::Skip(0));
        Some(())
    }

    fn alternatives(&mut self, branches: &[Hir], after: Follow) -> Option<()> {
        if let Some(literals) = literals(branches) {
            let apart = literals.iter().enumerate().all(|(i, a)| {
                literals
                    .iter()
                    .enumerate()
                    .all(|(j, b)| i == j || !a.starts_with(b))
            });
            if apart {
                self.ops
                    .push(Op::Choose(literals.into_iter().map(Into::into).collect()));
                return Some(());
            }
        }
        let (last, tried) = branches.split_last()?;
        let mut seen = Bytes::NONE;
        let mut exits = Vec::new();
        for branch in branches {
            let first = first_of(
                &[branch],
                Follow {
                    bytes: Bytes::NONE,
                    end: false,
                    anything: false,
                },
            )?;
            if branch.properties().minimum_len()? == 0 || first.bytes.meets(seen) {
                return None;
            }
            seen = seen.union(first.bytes);
        }
        for branch in tried {
            let first = first_of(
                &[branch],
                Follow {
                    bytes: Bytes::NONE,
                    end: false,
                    anything: false,
                },
            )?;
            let peek = self.peek(first.bytes);
            self.item(branch, after, &[], NO_END)?;
            exits.push(self.ops.len());
            self.ops.push(Op::Goto(0));
            self.land(peek)?;
        }
        self.item(last, after, &[], NO_END)?;
        let here = self.here()?;
        for exit in exits {
            if let Some(Op::Goto(target)) = self.ops.get_mut(exit) {
                *target = here;
            }
        }
        self.ops.push(Op::Skip(0));
        Some(())
    }

    fn here(&self) -> Option<u16> {
        u16::try_from(self.ops.len()).ok()
    }

    fn peek(&mut self, first: Bytes) -> usize {
        self.ops.push(match first.only() {
            Some(first) => Op::PeekByte {
                first,
                otherwise: 0,
            },
            None => Op::Peek {
                first: Box::new(first),
                otherwise: 0,
            },
        });
        // The body's first skip is its own, not that of what was before.
        self.ops.push(Op::Skip(0));
        self.ops.len() - 2
    }

    fn land(&mut self, peek: usize) -> Option<()> {
        let here = self.here()?;
        if let Some(Op::Peek { otherwise, .. } | Op::PeekByte { otherwise, .. }) =
            self.ops.get_mut(peek)
        {
            *otherwise = here;
        }
        Some(())
    }
}

/// Inside of repetitions and branches nothing is counted from the end.
const NO_END: Follow = Follow {
    bytes: Bytes::NONE,
    end: false,
    anything: false,
};

fn literals(branches: &[Hir]) -> Option<Vec<&[u8]>> {
    branches
        .iter()
        .map(|branch| match branch.kind() {
            HirKind::Literal(literal) => Some(&*literal.0),
            _ => None,
        })
        .collect()
}

fn is_one_exact_character(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(class) => Bytes::of_class(class).is_some_and(|bytes| bytes.is_exact(class)),
        HirKind::Literal(literal) => literal.0.len() == 1,
        HirKind::Capture(capture) => is_one_exact_character(&capture.sub),
        _ => false,
    }
}

/// The bytes that a sequence can begin with, and what follows where it is empty.
fn first_of(parts: &[&Hir], follow: Follow) -> Option<Follow> {
    let mut first = Bytes::NONE;
    for part in parts {
        let (bytes, empty) = first_bytes(part)?;
        first = first.union(bytes);
        if !empty {
            return Some(Follow {
                bytes: first,
                end: false,
                anything: false,
            });
        }
    }
    Some(Follow {
        bytes: first.union(follow.bytes),
        ..follow
    })
}

fn first_bytes(hir: &Hir) -> Option<(Bytes, bool)> {
    match hir.kind() {
        HirKind::Empty => Some((Bytes::NONE, true)),
        HirKind::Literal(literal) => {
            let mut bytes = Bytes::NONE;
            let &first = literal.0.first()?;
            if first < 0x80 {
                bytes.add(first);
            } else {
                bytes = Bytes([0, 0, u64::MAX, u64::MAX]);
            }
            Some((bytes, false))
        }
        HirKind::Class(class) => Some((Bytes::of_class(class)?, false)),
        HirKind::Look(_) => None,
        HirKind::Repetition(repetition) => {
            let (bytes, empty) = first_bytes(&repetition.sub)?;
            Some((bytes, empty || repetition.min == 0))
        }
        HirKind::Capture(capture) => first_bytes(&capture.sub),
        HirKind::Concat(parts) => {
            let mut all = Bytes::NONE;
            for part in parts {
                let (bytes, empty) = first_bytes(part)?;
                all = all.union(bytes);
                if !empty {
                    return Some((all, false));
                }
            }
            Some((all, true))
        }
        HirKind::Alternation(branches) => {
            branches
                .iter()
                .try_fold((Bytes::NONE, false), |(all, any_empty), branch| {
                    let (bytes, empty) = first_bytes(branch)?;
                    Some((all.union(bytes), any_empty || empty))
                })
        }
    }
}

/// How far from the end a tail begins: its length, or its length up to and with
/// a byte that cannot occur behind it.
fn from_end(tail: &[&Hir]) -> Option<(u32, Option<u8>)> {
    let mut flat = Vec::new();
    tail.iter().for_each(|part| flatten(part, &mut flat));
    let fixed = |parts: &[&Hir]| {
        parts.iter().try_fold(0_u32, |sum, part| {
            let properties = part.properties();
            let length = properties.minimum_len()?;
            // Characters of several bytes have no fixed length, even alone.
            (properties.maximum_len() == Some(length)).then(|| sum + length as u32)
        })
    };
    if let Some(length) = fixed(&flat) {
        return Some((length, None));
    }
    let (last, before) = flat.split_last()?;
    let HirKind::Repetition(repetition) = last.kind() else {
        return None;
    };
    let HirKind::Class(class) = repetition.sub.kind() else {
        return None;
    };
    let HirKind::Literal(literal) = before.last()?.kind() else {
        return None;
    };
    let &byte = literal.0.last()?;
    if byte >= 0x80 || Bytes::of_class(class)?.has(byte) {
        return None;
    }
    Some((fixed(before)?, Some(byte)))
}

/// The items of a sequence without its groups, which have no width.
fn flatten<'h>(hir: &'h Hir, into: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Capture(capture) => flatten(&capture.sub, into),
        HirKind::Concat(parts) => parts.iter().for_each(|part| flatten(part, into)),
        _ => into.push(hir),
    }
}
