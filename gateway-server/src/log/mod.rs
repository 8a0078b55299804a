//! What is told of each request: an event to `tracing`, or a line in the Common Log Format.

#[cfg(feature = "listen")]
pub(crate) mod access;
#[cfg(feature = "http")]
pub mod common;
#[cfg(feature = "listen")]
pub(crate) mod operator;
