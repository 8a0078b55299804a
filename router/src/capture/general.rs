//! The groups of patterns that have no program.

use regex_automata::util::primitives::NonMaxUsize;

use super::position::Position;
use crate::engine::General;

/// The groups by the general engine: `slots` has two places for each group and
/// none for the whole match, which is returned.
pub(crate) fn run_general<P: Position>(
    engine: &General,
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
    if !engine.slots(text, found) {
        return None;
    }
    let mut positions = found.iter().map(|slot| slot.map(NonMaxUsize::get));
    let span = (positions.next()??, positions.next()??);
    for (slot, at) in slots.iter_mut().zip(positions) {
        *slot = at.map_or(P::UNSET, P::at);
    }
    Some(span)
}
