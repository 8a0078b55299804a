//! Which bytes can come next in a pattern.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::engine::class_ranges;

/// A set of first bytes. A class with any character outside of ASCII has all
/// bytes from 0x80 on: too many, which costs a program and never an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    pub(super) const NONE: Self = Self([0; 4]);

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte / 64))
            .is_some_and(|word| word >> (byte % 64) & 1 != 0)
    }

    pub(super) fn add(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
    }

    pub(super) fn of_class(class: &Class) -> Option<Self> {
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

    pub(super) fn is_ascii(self) -> bool {
        self.0.iter().skip(2).all(|&word| word == 0)
    }

    pub(super) fn union(self, other: Self) -> Self {
        let mut words = self.0;
        words
            .iter_mut()
            .zip(other.0)
            .for_each(|(word, more)| *word |= more);
        Self(words)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    pub(super) fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// Whether the bytes outside of ASCII say exactly which characters are meant.
    pub(super) fn is_exact(&self, class: &Class) -> bool {
        // Ranges may or may not span the gap of the surrogates.
        let count = |from: u32, start: u32, end: u32| (end + 1).saturating_sub(start.max(from));
        let wide: u32 = class_ranges(class)
            .into_iter()
            .flatten()
            .map(|(start, end)| count(0x80, start, end.min(0xD7FF)) + count(0xE000, start, end))
            .sum();
        wide == 0 || wide == 0x11_0000 - 0x80 - 0x800
    }

    pub(super) fn only(self) -> Option<u8> {
        let mut members = (0..=255).filter(|&byte| self.has(byte));
        let first = members.next()?;
        members.next().is_none().then_some(first)
    }
}

/// What may come behind an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follow {
    pub(super) bytes: Bytes,
    pub(super) end: bool,
    /// The pattern is over and has matched: any text may follow.
    pub(super) anything: bool,
}

/// The bytes that a sequence can begin with, and what follows where it is empty.
pub(super) fn first_of(parts: &[&Hir], follow: Follow) -> Option<Follow> {
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
