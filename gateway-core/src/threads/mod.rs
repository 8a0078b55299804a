//! Threads that may block.

pub(crate) mod block_on;
pub(crate) mod buffers;
#[cfg(feature = "tokio")]
mod pace;
#[cfg(feature = "tokio")]
pub(crate) mod queue;
#[cfg(feature = "tokio")]
mod workers;
