//! Why no path reaches a route.

use std::borrow::Cow;
use std::collections::VecDeque;

use regex_syntax::hir::Hir;

use super::alphabet::beauty;
use super::determinize::{Budget, Determinizer, OverBudget};
use super::dfa::{Dfa, NONE};
use super::nfa::{Nfa, STATE_STEPS};

/// What the construction found out about a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shadow {
    /// There are paths that it answers.
    Reachable,
    /// It matches no text at all.
    Impossible,
    /// Every path it matches is answered by one of `by`; `example` is one.
    Shadowed { by: Vec<u32>, example: String },
}

/// Says of a pattern that no state of the construction answers with whether it
/// could match alone, and which of the patterns in front of it take its paths.
///
/// Takes the work out of `steps`; where that is not enough, every pattern counts
/// as reachable.
pub(crate) fn explain(patterns: &[Cow<'_, Hir>], id: u32, steps: &mut usize) -> Shadow {
    if explain_alone(patterns, id, steps) == Shadow::Impossible {
        return Shadow::Impossible;
    }
    let Some(this) = patterns.get(id as usize) else {
        return Shadow::Reachable;
    };
    let before: Vec<&Hir> = patterns
        .iter()
        .take(id as usize)
        .map(|hir| &**hir)
        .collect();
    let Ok(dfa) = product(&before, this, steps) else {
        return Shadow::Reachable;
    };
    let mut by: Vec<u32> = dfa
        .states
        .iter()
        .filter(|state| state.tracked)
        .map(|state| state.at_end)
        .collect();
    by.sort_unstable();
    by.dedup();
    if by.last() == Some(&NONE) {
        return Shadow::Reachable;
    }
    Shadow::Shadowed {
        by,
        example: example(&dfa),
    }
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

/// A shortest text that the tracked pattern matches.
fn example(dfa: &Dfa) -> String {
    let mut nicest: Vec<u16> = (0..dfa.alphabet.len() as u16).collect();
    nicest.sort_by_key(|&class| std::cmp::Reverse(beauty(dfa.alphabet.sample(class))));
    let mut from = dfa.states.fill(None);
    let mut queue = VecDeque::from([dfa.start]);
    while let Some(id) = queue.pop_front() {
        let state = &dfa.states[id];
        if state.tracked {
            let mut text = Vec::new();
            let mut at = id;
            while at != dfa.start
                && let Some((previous, class)) = from[at]
            {
                text.push(dfa.alphabet.sample(class));
                at = previous;
            }
            return text.iter().rev().collect();
        }
        for &class in &nicest {
            let next = state.next(class);
            if next != dfa.start && from[next].is_none() {
                from[next] = Some((id, class));
                queue.push_back(next);
            }
        }
    }
    String::new()
}
