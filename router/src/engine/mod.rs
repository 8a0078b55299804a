//! Which pattern of an ordered list is the first that matches.

mod alphabet;
mod compile;
mod determinize;
mod dfa;
mod general;
mod hash;
#[cfg(test)]
mod linear;
mod nfa;
mod nodes;
mod program;
mod room;
mod scratch;
mod shadow;
mod simulate;
mod size;
mod steps;
mod tiers;
mod words;

pub(crate) use general::{General, Late, general, steps_of_general};
pub(crate) use nfa::class_ranges;
pub(crate) use room::Room;
pub(crate) use shadow::{Shadow, explain, explain_alone};
pub(crate) use size::bytes;
pub(crate) use tiers::{Limits, Matcher};
pub(crate) use words::Words;
#[cfg(feature = "service")]
pub(crate) use {
    dfa::NONE,
    shadow::{may_meet, takers},
};
