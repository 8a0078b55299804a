//! The facts of a failure, before a report is rendered.

pub(crate) mod body_error;
pub(crate) mod cause;
pub(crate) mod described;
pub(crate) mod facts;
pub(crate) mod hints;
pub(crate) mod id;
pub(crate) mod payload;
pub(crate) mod response;
pub(crate) mod spans;
pub(crate) mod tasks;
pub(crate) mod trace;
