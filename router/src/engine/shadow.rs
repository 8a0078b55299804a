//! Why no path reaches a route.

use std::borrow::Cow;
use std::collections::VecDeque;

use regex_syntax::hir::Hir;

use super::alphabet::beauty;
use super::determinize::{Budget, Determinizer, OverBudget};
use super::dfa::{Dfa, NONE};
use super::nfa::{Nfa, STATE_STEPS};
use super::tiers::literal_start;

/// What the construction found out about a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shadow {
    /// There are paths that it answers.
    Reachable,
    /// It matches no text at all.
    Impossible,
    /// Every path it matches is answered by one of these, the one with the shortest example first.
    Shadowed { by: Vec<Taker> },
}

/// A pattern that takes texts of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taker {
    /// Its place in the list; [`NONE`] where no pattern in front takes the text.
    pub(crate) id: u32,
    /// A shortest text that both match, and that goes to the taker.
    pub(crate) example: String,
}

/// Says of a pattern that no state of the construction answers with whether it
/// could match alone, and which of the patterns in front of it take its paths.
///
/// Takes the work out of `steps`; where that is not enough, every pattern counts
/// as reachable.
pub(crate) fn explain(patterns: &[Cow<'_, Hir>], id: u32, steps: &mut usize) -> Shadow {
    let Some(this) = patterns.get(id as usize) else {
        return Shadow::Reachable;
    };
    let before = patterns.iter().take(id as usize).map(|hir| &**hir);
    match takers(before, this, steps) {
        None => Shadow::Reachable,
        Some(by) if by.is_empty() => Shadow::Impossible,
        Some(by) if by.iter().any(|taker| taker.id == NONE) => Shadow::Reachable,
        Some(by) => Shadow::Shadowed { by },
    }
}

/// Where the texts of a pattern go, if those in front of it are asked first. `None` where `steps`
/// do not suffice to tell.
pub(crate) fn takers<'h>(
    before: impl Iterator<Item = &'h Hir>,
    this: &Hir,
    steps: &mut usize,
) -> Option<Vec<Taker>> {
    // Of a thousand routes few begin as this one does.
    let (ids, before): (Vec<u32>, Vec<&Hir>) = (0..)
        .zip(before)
        .filter(|(_, other)| may_meet(this, other))
        .unzip();
    let dfa = product(&before, this, steps).ok()?;
    let mut takers = examples(&dfa);
    for taker in &mut takers {
        taker.id = ids.get(taker.id as usize).copied().unwrap_or(NONE);
    }
    Some(takers)
}

/// Whether a text may match both, as far as the literal text tells that they begin with.
pub(crate) fn may_meet(a: &Hir, b: &Hir) -> bool {
    let start = |hir| literal_start(hir).unwrap_or_default();
    start(a).starts_with(start(b)) || start(b).starts_with(start(a))
}

/// Says only whether the pattern could match alone.
pub(crate) fn explain_alone(patterns: &[Cow<'_, Hir>], id: u32, steps: &mut usize) -> Shadow {
    match patterns
        .get(id as usize)
        .map(|this| product(&[], this, steps))
    {
        Some(Ok(dfa)) if !dfa.states.iter().any(|state| state.tracked) => Shadow::Impossible,
        _ => Shadow::Reachable,
    }
}

fn product(before: &[&Hir], this: &Hir, steps: &mut usize) -> Result<Dfa, OverBudget> {
    let nfa = Nfa::new(before.iter().copied().chain([this]), *steps / STATE_STEPS);
    let nfa = nfa.map_err(|_| OverBudget)?;
    *steps -= STATE_STEPS * nfa.states.len();
    let mut budget = Budget {
        states: 50_000,
        words: 16 << 20,
        steps: *steps,
    };
    let built = Determinizer::new(nfa)?
        .track(before.len() as u32)
        .run(&mut budget);
    *steps = budget.steps;
    built
}

/// A shortest text of the tracked pattern for each pattern that takes some of its texts, the
/// shortest first.
fn examples(dfa: &Dfa) -> Vec<Taker> {
    let mut nicest: Vec<u16> = (0..dfa.alphabet.len() as u16).collect();
    nicest.sort_by_key(|&class| std::cmp::Reverse(beauty(dfa.alphabet.sample(class))));
    let mut from = dfa.states.fill(None);
    let mut queue = VecDeque::from([dfa.start]);
    let mut takers: Vec<Taker> = Vec::new();
    while let Some(id) = queue.pop_front() {
        let state = &dfa.states[id];
        if state.tracked && !takers.iter().any(|taker| taker.id == state.at_end) {
            let mut text = Vec::new();
            let mut at = id;
            while at != dfa.start
                && let Some((previous, class)) = from[at]
            {
                text.push(dfa.alphabet.sample(class));
                at = previous;
            }
            takers.push(Taker {
                id: state.at_end,
                example: text.iter().rev().collect(),
            });
        }
        for &class in &nicest {
            let next = state.next(class);
            if next != dfa.start && from[next].is_none() {
                from[next] = Some((id, class));
                queue.push_back(next);
            }
        }
    }
    takers
}
