//! What is known of a failure, before anything is said about it.

pub(crate) mod cause;
pub(crate) mod id;
pub(crate) mod spans;
