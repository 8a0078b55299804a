//! The ways to write a path for a pattern.

use regex_syntax::hir::{Hir, HirKind};

use crate::engine::class_ranges;
use crate::pattern::Pattern;

/// One way to write a path for a pattern.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(super) pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(String),
    /// The group of this number, from 0.
    Group(usize),
}

/// More shapes than this nobody means: `(a)?` sixty-four times has 2^64.
const MAX_SHAPES: usize = 256;

impl Shape {
    /// The shapes of a pattern; what is optional is first left out.
    pub(crate) fn all(pattern: &Pattern) -> Box<[Self]> {
        let mut shapes = vec![Self::default()];
        extend(&mut shapes, &pattern.hir());
        shapes.into()
    }

    fn push(&mut self, text: &str) {
        if let Some(Piece::Text(before)) = self.pieces.last_mut() {
            before.push_str(text);
        } else if !text.is_empty() {
            self.pieces.push(Piece::Text(text.into()));
        }
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = usize> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Group(group) => Some(*group),
            Piece::Text(_) => None,
        })
    }
}

/// Appends all ways to write `hir` to all shapes.
fn extend(shapes: &mut Vec<Shape>, hir: &Hir) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0);
            shapes.iter_mut().for_each(|shape| shape.push(&text));
        }
        HirKind::Class(class) => {
            // Any member will do; the least surprising one.
            let sample = class_ranges(class).and_then(|ranges| nicest(&ranges));
            if let Some(c) = sample {
                shapes
                    .iter_mut()
                    .for_each(|shape| shape.push(c.encode_utf8(&mut [0; 4])));
            }
        }
        HirKind::Capture(capture) => {
            let group = (capture.index as usize).saturating_sub(1);
            shapes
                .iter_mut()
                .for_each(|shape| shape.pieces.push(Piece::Group(group)));
        }
        HirKind::Repetition(repetition) => {
            let groups = repetition.sub.properties().explicit_captures_len() > 0;
            for _ in 0..repetition.min.min(1024) {
                extend(shapes, &repetition.sub);
            }
            if repetition.min == 0 && groups {
                let mut with = shapes.clone();
                extend(&mut with, &repetition.sub);
                shapes.extend(with);
            }
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| extend(shapes, part)),
        HirKind::Alternation(branches) => {
            let before = std::mem::take(shapes);
            for branch in branches {
                let mut these = before.clone();
                extend(&mut these, branch);
                shapes.extend(these);
                // Without groups in it one branch is as good as another.
                if shapes.len() > MAX_SHAPES || hir.properties().explicit_captures_len() == 0 {
                    break;
                }
            }
        }
    }
    shapes.truncate(MAX_SHAPES);
}

fn nicest(ranges: &[(u32, u32)]) -> Option<char> {
    let preferred = [('0', '9'), ('a', 'z'), ('A', 'Z'), ('-', '-'), ('!', '~')];
    let within = |(low, high): (char, char)| {
        ranges
            .iter()
            .map(|&(start, end)| (start.max(low as u32), end.min(high as u32)))
            .find(|(start, end)| start <= end)
    };
    let (start, _) = preferred
        .into_iter()
        .find_map(within)
        .or_else(|| ranges.first().copied())?;
    char::from_u32(start)
}

/// Whether a pattern ends with something that takes whatever comes.
pub(crate) fn ends_openly(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Concat(parts) => parts.last().is_some_and(ends_openly),
        HirKind::Capture(capture) => ends_openly(&capture.sub),
        HirKind::Repetition(repetition) => repetition.max.is_none(),
        HirKind::Alternation(branches) => branches.iter().all(ends_openly),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}
