//! The page for what is not found, while a program is being written, for the developer alone.
//!
//! Who that is, [`gateway_core::developer`] judges. To others a path that is not found is not found, as in production; but
//! where all that a request can say is said, and what is missing is the peer or whose socket it has, the answer says so.

mod gate;
mod page;
mod question;

pub(crate) use gate::Gate;
pub(crate) use question::{PendingAnswer, Question, question};
