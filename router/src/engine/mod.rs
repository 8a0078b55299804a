//! Which pattern of an ordered list is the first that matches.

mod alphabet;
mod determinize;
mod hash;
mod nfa;
mod program;
mod scratch;
mod simulate;
mod tiers;

pub(crate) use nfa::class_ranges;
pub(crate) use program::find_byte;
pub(crate) use tiers::{Limits, Matcher, Shadow, explain, explain_alone, general};
