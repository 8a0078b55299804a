//! What calls the application: HTTP/1.1 and 2, FastCGI, SCGI and CGI, for any tower service.

#[cfg(feature = "listen")]
mod accept;
#[cfg(feature = "listen")]
mod access;
#[cfg(all(
    feature = "http",
    feature = "fastcgi",
    feature = "scgi",
    feature = "cgi"
))]
mod auto;
#[cfg(feature = "cgi")]
pub mod cgi;
#[cfg(feature = "_environ")]
pub mod cgi_environ;
#[cfg(feature = "_environ")]
mod cgi_response;
#[cfg(feature = "_wire")]
mod cgi_wire;
#[cfg(feature = "http")]
pub mod common_log;
#[cfg(feature = "fastcgi")]
pub mod fastcgi;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "listen")]
mod listener;
#[cfg(all(feature = "listen", target_os = "linux"))]
mod outq;
#[cfg(feature = "scgi")]
pub mod scgi;
#[cfg(feature = "listen")]
mod shutdown;
#[cfg(feature = "listen")]
mod sockets;
#[cfg(all(feature = "listen", unix))]
mod unix;

#[cfg(all(
    feature = "http",
    feature = "fastcgi",
    feature = "scgi",
    feature = "cgi"
))]
pub use auto::{auto, auto_service};
#[cfg(feature = "_wire")]
pub use cgi_wire::{ToSockets, server::FrontEndServer};
#[cfg(feature = "listen")]
pub use listener::{Both, Either, EitherHandshake, Listener};
#[cfg(feature = "listen")]
pub use shutdown::{Outcome, Signal};
#[cfg(feature = "listen")]
pub use sockets::{Sockets, Stream};
