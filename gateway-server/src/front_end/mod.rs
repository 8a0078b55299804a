//! Servers behind a front end: FastCGI and SCGI, and the connection and the server that both are.

#[cfg(feature = "fastcgi")]
pub mod fastcgi;
#[cfg(feature = "scgi")]
pub mod scgi;
pub(crate) mod server;
pub(crate) mod wire;
