//! Bodies that are made piece by piece, and how the pieces get from a thread to a task.

#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "only the adapters hold back a head")
)]

pub(crate) mod ahead;
pub(crate) mod ending;
pub(crate) mod handoff;
pub(crate) mod patience;
mod producer;
pub(crate) mod source;
pub(crate) mod writer;

pub use writer::BodyWriter;
