//! HTTP/1.1 and HTTP/2 over hyper.

mod check;
mod connection;
mod exchange;
mod io;
mod pulse;
mod request_body;
mod response_body;
mod server;
mod service;
mod settings;

use std::net::ToSocketAddrs;

pub use request_body::RequestBodyError;
pub use server::Server;
pub use service::{HttpService, Hyper, Tower};

use crate::Outcome;

/// Serves `service` on the TCP address `addr` with all defaults, until SIGTERM or SIGINT.
///
/// Sockets that the process was started with (`LISTEN_FDS`) take the place of `addr`; see
/// [`Server::listenfd_or_bind`]. Everything else is [`Server::serve`].
///
/// # Errors
///
/// The address cannot be bound, or signals cannot be listened for.
pub async fn run<S, K>(addr: impl ToSocketAddrs, service: S) -> std::io::Result<Outcome>
where
    S: HttpService<K>,
    K: 'static,
{
    Server::listenfd_or_bind(addr)?.serve(service).await
}
