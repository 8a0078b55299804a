//! How near a path is to a route that does not match it.

use super::shape::{Piece, Shape};

/// How many characters of `text` have to change for one of the shapes to be
/// written like it; groups cost nothing, whatever of one segment they take.
pub(crate) fn distance(shapes: &[Shape], text: &str) -> usize {
    let text: Vec<char> = text.chars().collect();
    shapes
        .iter()
        .take(8)
        .map(|shape| shape_distance(shape, &text))
        .min()
        .unwrap_or(usize::MAX)
}

fn shape_distance(shape: &Shape, text: &[char]) -> usize {
    // Row by row over the shape: the cost to have written `text[..i]` by now.
    let mut row: Vec<usize> = (0..=text.len()).collect();
    let step = |row: &[usize], cost: &dyn Fn(Option<char>) -> (usize, usize)| -> Vec<usize> {
        let mut next: Vec<usize> = Vec::with_capacity(row.len());
        let (_, without) = cost(None);
        next.push(row.first().map_or(0, |before| before + without));
        for (i, &c) in text.iter().enumerate() {
            let (with, without) = cost(Some(c));
            let both = row
                .get(i)
                .map_or(usize::MAX, |cost| cost.saturating_add(with));
            let extra = next
                .get(i)
                .map_or(usize::MAX, |cost| cost.saturating_add(1));
            let less = row
                .get(i + 1)
                .map_or(usize::MAX, |cost| cost.saturating_add(without));
            next.push(both.min(extra).min(less));
        }
        next
    };
    for piece in &shape.pieces {
        match piece {
            Piece::Text(literal) => {
                for wanted in literal.chars() {
                    row = step(&row, &|c| (usize::from(c != Some(wanted)), 1));
                }
            }
            Piece::Group(_) => {
                // One character at least, then any more of the segment for nothing.
                row = step(&row, &|c| (usize::from(c == Some('/')), 1));
                for i in 1..row.len() {
                    let before = row.get(i - 1).copied().unwrap_or(usize::MAX);
                    if let (Some(slot), Some(&c)) = (row.get_mut(i), text.get(i - 1))
                        && c != '/'
                    {
                        *slot = (*slot).min(before);
                    }
                }
            }
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
