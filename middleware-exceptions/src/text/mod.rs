//! Text from outside, made fit for a page and a log.

pub(crate) mod clean;
pub(crate) mod decoded;
pub(crate) mod marks;
pub(crate) mod secrets;
pub(crate) mod shown;
