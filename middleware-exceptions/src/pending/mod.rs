//! A failure on its way to the log, the observers and the client.

pub(crate) mod finish;
mod owner;
pub(crate) mod ready;
pub(crate) mod tell;
pub(crate) mod worker;
