//! Where the groups of the winning pattern are.
//!
//! That the pattern matches is known by now, so a short program can often tell
//! where: skip the literal, run to the slash, and so on. A program is made only
//! where each step has one way to go on (the characters of a run are not among
//! those that may follow it); other patterns ask the general engine, alone.

mod args;
mod first;
mod general;
mod op;
mod position;
mod program;
mod segments;
mod write;

pub use args::Args;
pub(crate) use args::Fill;
#[cfg(feature = "service")]
pub(crate) use args::Slots;
pub(crate) use general::run_general;
pub(crate) use position::Position;
pub(crate) use program::Program;
pub(crate) use segments::Segments;
