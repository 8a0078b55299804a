//! A failure on its way to the log, the observers and the client.

mod budget;
pub(crate) mod emit;
pub(crate) mod pending_report;
pub(crate) mod ready;
pub(crate) mod worker;
