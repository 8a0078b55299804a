//! What FastCGI and SCGI share: one request at a time over a stream, from a front end.

pub(crate) mod codec;
mod connection;
mod errors;
mod exchange;
mod input;
pub(crate) mod output;
mod present;
pub(crate) mod server;
pub(crate) mod settings;
mod timer;
mod to_sockets;

pub use to_sockets::ToSockets;
