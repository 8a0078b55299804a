//! What a pattern costs an engine, counted without making one.

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

/// An upper estimate of the larger of the two automata over bytes that the
/// general engine makes of a pattern, in bytes.
pub(crate) fn bytes(hir: &Hir) -> usize {
    count(hir, &Costs::BYTES)
}

/// The states that [`Nfa`](super::nfa::Nfa) has for a pattern.
pub(super) fn states(hir: &Hir) -> usize {
    count(hir, &Costs::STATES).saturating_add(1)
}

/// What the parts of an expression add.
struct Costs {
    /// An assertion, or nothing at all.
    look: usize,
    /// A byte of a literal.
    byte: usize,
    class: fn(&Class) -> usize,
    /// A way that parts from another.
    branch: usize,
    group: usize,
}

impl Costs {
    const BYTES: Self = Self {
        look: 32,
        byte: 32,
        class: class_bytes,
        branch: 40,
        group: 160,
    };
    const STATES: Self = Self {
        look: 1,
        byte: 1,
        class: |_| 1,
        branch: 1,
        group: 0,
    };
}

fn count(hir: &Hir, costs: &Costs) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => costs.look,
        HirKind::Literal(literal) => costs.byte.saturating_mul(literal.0.len()),
        HirKind::Class(class) => (costs.class)(class),
        HirKind::Repetition(repetition) => {
            // Written out as often as it may stand there; the last one of those
            // without an end goes back to itself.
            let times = repetition.max.unwrap_or(repetition.min.max(1));
            let choices = repetition.max.map_or(1, |max| max - repetition.min);
            count(&repetition.sub, costs)
                .saturating_mul(times as usize)
                .saturating_add(costs.branch.saturating_mul(choices as usize))
        }
        HirKind::Capture(capture) => count(&capture.sub, costs).saturating_add(costs.group),
        HirKind::Concat(parts) => parts
            .iter()
            .map(|part| count(part, costs))
            .fold(0, usize::saturating_add),
        HirKind::Alternation(parts) => parts
            .iter()
            .map(|part| count(part, costs).saturating_add(costs.branch))
            .fold(costs.branch, usize::saturating_add),
    }
}

/// Each range is a few sequences of ranges of bytes; most of them share their
/// ends, so that one state is left of each, and one transition to it.
fn class_bytes(class: &Class) -> usize {
    match class {
        Class::Unicode(class) if !class.is_ascii() => class
            .iter()
            .flat_map(|range| Utf8Sequences::new(range.start(), range.end()))
            .map(|_| 52)
            .fold(512, usize::saturating_add),
        Class::Unicode(class) => 40 + 8 * class.ranges().len(),
        Class::Bytes(class) => 40 + 8 * class.ranges().len(),
    }
}
