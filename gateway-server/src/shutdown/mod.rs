//! Graceful shutdown, for every protocol: who is told, in which order, and what came of it.
//!
//! ```text
//! Serving ──signal──▶ Draining ──grace──▶ Closing ──deadline──▶ Cut
//!                     nothing new is      idle connections      what is left
//!                     accepted; answers   close; running        is dropped
//!                     say `close`         requests go on
//! ```
//! The shutdown ends as soon as no connection is left, in any phase.

mod alarm;
mod outcome;
mod phases;
mod signals;
mod supervisor;

pub use outcome::Outcome;
pub(crate) use phases::{Phase, Plan, Shutdown, Tracked, Watch};
pub use signals::Signal;
pub(crate) use signals::Signals;
pub(crate) use supervisor::{Notice, tell_supervisor};
