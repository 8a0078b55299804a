//! Text from outside, made fit for a page and a log.

pub(crate) mod clean;
pub(crate) mod shown;
