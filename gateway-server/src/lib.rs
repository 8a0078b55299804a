//! What calls the application: HTTP/1.1 and 2, FastCGI, SCGI and CGI, for any tower service.

#[cfg(feature = "listen")]
mod accept;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "listen")]
mod listener;
#[cfg(all(feature = "listen", target_os = "linux"))]
mod outq;
#[cfg(feature = "listen")]
mod shutdown;
#[cfg(feature = "listen")]
mod sockets;
#[cfg(all(feature = "listen", unix))]
mod unix;

#[cfg(feature = "listen")]
pub use listener::{Both, Either, EitherHandshake, Listener};
#[cfg(feature = "listen")]
pub use shutdown::{Outcome, Signal};
#[cfg(feature = "listen")]
pub use sockets::{Sockets, Stream};
