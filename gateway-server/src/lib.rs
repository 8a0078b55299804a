//! What calls the application: HTTP/1.1 and 2, FastCGI, SCGI and CGI, for any tower service.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use gateway_core::{Environ, Reply, application};
//! use gateway_server::http::Server;
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let hello = application(|_: &mut Environ| Reply::text("Hello World!"));
//! let server = Server::bind("127.0.0.1:0")?;
//! let addr = server.local_addr()?;
//! # let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! # let server = server.with_graceful_shutdown(async { let _ = stopped.await; });
//! let serving = tokio::spawn(server.serve_app(hello));
//!
//! # let answer = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
//! let mut client = std::net::TcpStream::connect(addr)?;
//! client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! # Ok(answer) }).await??;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("Hello World!"));
//! # drop(stop);
//! # assert!(serving.await??.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! | module | serves | where |
//! |---|---|---|
//! | [`http`] | HTTP/1.1 and HTTP/2 on one port | the open internet, or behind a proxy |
//! | `fastcgi` | FastCGI over kept connections | behind nginx, Apache, lighttpd |
//! | `scgi` | SCGI | behind nginx, Apache, lighttpd |
//! | `cgi` | one request | started by a web server for each |
//!
//! All take the same services: a [`gateway_core::Application`], an axum `Router`, a tonic service, a
//! `service_fn`, anything that is a tower service over any body.
//!
//! What they share is here: [`Sockets`] (TCP, Unix, handed over by systemd), the [`Listener`] trait
//! for what you bring yourself, and the [`Outcome`] of a graceful shutdown. Under systemd with
//! `Type=notify` they say when they are ready and when they stop.
//!
//! Nothing is ever printed on standard output (under CGI it is the response); what happens is told
//! to [`tracing`].
//!
//! # Untrusted input
//!
//! Whatever a client sends is answered with a status or by closing the connection, in bounded memory, and
//! within the time limits that [`http`] lists. A front end is believed about what it says in variables of its own
//! (REMOTE_ADDR, REMOTE_USER); the headers that it passes on are the client's, and `Proxy` never becomes HTTP_PROXY.
//!
//! # Features
//!
//! `http` (default), `tls` (HTTPS by rustls with ring), `fastcgi`, `scgi` and `cgi`: each is the module of its name. With all four there is `auto`,
//! which finds out how the program was started, so that one binary deploys anywhere.
//!
//! `fairness` bounds what one client takes of a server: connections, and requests begun in a second. What a server is doing
//! is told by a [`ServerState`], to the program and to Prometheus. `proxy-protocol` believes load balancers that forward
//! bytes, such as HAProxy in `mode tcp`, about who the client is.

#[cfg(all(
    feature = "http",
    feature = "fastcgi",
    feature = "scgi",
    feature = "cgi"
))]
pub mod auto;
#[cfg(feature = "listen")]
mod block_on;
#[cfg(feature = "cgi")]
pub mod cgi;
#[cfg(feature = "_environ")]
mod cgi_vars;
#[cfg(any(feature = "http", feature = "_environ"))]
mod failure;
#[cfg(feature = "fairness")]
pub mod fairness;
#[cfg(any(feature = "http", feature = "_environ"))]
mod framing;
#[cfg(feature = "_wire")]
mod front_end;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "listen")]
mod lifetime;
#[cfg(feature = "listen")]
mod listen;
#[cfg(feature = "listen")]
mod log;
#[cfg(feature = "proxy-protocol")]
pub mod proxy_protocol;
#[cfg(any(feature = "http", feature = "_wire"))]
mod server;
#[cfg(any(feature = "http", feature = "_wire"))]
mod service;
#[cfg(any(feature = "http", feature = "_wire"))]
mod settings;
#[cfg(feature = "listen")]
mod shutdown;
#[cfg(feature = "listen")]
mod state;
#[cfg(feature = "tls-no-provider")]
pub mod tls;
#[cfg(feature = "listen")]
pub use block_on::block_on;
#[cfg(feature = "_environ")]
pub use cgi_vars::environ as cgi_environ;
#[cfg(feature = "fastcgi")]
pub use front_end::fastcgi;
#[cfg(feature = "scgi")]
pub use front_end::scgi;
#[cfg(feature = "listen")]
pub use listen::listener::{Both, BoxHandshake, Either, EitherHandshake, Listener};
#[cfg(feature = "listen")]
pub use listen::sockets::{Accepted, Sockets, Stream};
#[cfg(feature = "listen")]
pub use listen::to_sockets::ToSockets;
#[cfg(feature = "http")]
pub use log::common as common_log;
#[cfg(any(feature = "http", feature = "_wire"))]
pub use server::Server;
#[cfg(any(feature = "http", feature = "_wire"))]
pub use service::HttpService;
#[cfg(feature = "listen")]
pub use shutdown::{Outcome, Signal};
#[cfg(feature = "listen")]
pub use state::{Counts, Metrics, ServerState};
