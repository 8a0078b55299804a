//! Programs read off patterns.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::first::{Bytes, Follow, first_of};
use super::op::Op;

/// The steps for a pattern; `None` where one of them has several ways to go on.
pub(super) fn ops(hir: &Hir) -> Option<Vec<Op>> {
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
    Some(writer.ops)
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
                match ends_at(&capture.sub, after) {
                    // As a run would: then the group can be a segment.
                    Some(stop) => self.until(stop),
                    None => self.item(&capture.sub, after, rest, end)?,
                }
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
    fn repeat(&mut self, repetition: &Repetition, after: Follow) -> Option<()> {
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

/// Where a group of counted characters ends, if only one byte or the end of the text may stand
/// behind it: `([0-9]{4})/`.
fn ends_at(sub: &Hir, after: Follow) -> Option<Bytes> {
    let HirKind::Repetition(repetition) = sub.kind() else {
        return None;
    };
    let HirKind::Class(class) = repetition.sub.kind() else {
        return None;
    };
    let one_way = after.bytes == Bytes::NONE || after.bytes.only().is_some();
    let counted = repetition.max == Some(repetition.min);
    let told = one_way && !after.anything && !Bytes::of_class(class)?.meets(after.bytes);
    (counted && told).then_some(after.bytes)
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
