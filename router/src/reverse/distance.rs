//! How near a path is to a route that does not match it.

use super::form::Form;
use super::search::{Goal, Piece, Search};

/// Ways to write a form that are looked at.
const WAYS: usize = 8;

/// How many characters of `text` have to change for it to be written in one of the ways of a form;
/// groups cost nothing, however much of one segment they take.
pub(crate) fn distance(form: &Form, text: &str) -> usize {
    let text: Vec<char> = text.chars().collect();
    let mut search = Search::new(form, Goal::Any);
    let mut nearest = usize::MAX;
    for _ in 0..WAYS {
        if !search.advance() {
            break;
        }
        nearest = nearest.min(distance_to(&search.pieces, &text));
    }
    nearest
}

fn distance_to(pieces: &[Piece<'_>], text: &[char]) -> usize {
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
    for piece in pieces {
        match piece {
            Piece::Text(literal) => {
                for wanted in literal.chars() {
                    row = step(&row, &|c| (usize::from(c != Some(wanted)), 1));
                }
            }
            Piece::Char(..) => {
                row = step(&row, &|c| (usize::from(c == Some('/')), 1));
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
