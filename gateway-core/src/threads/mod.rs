//! Threads that may block.

pub(crate) mod block_on;
pub(crate) mod buffers;
#[cfg(feature = "tokio")]
mod pace;
#[cfg(feature = "tokio")]
pub(crate) mod queue;
pub(crate) mod reserve;
pub(crate) mod work;
#[cfg(feature = "tokio")]
mod workers;
