//! Clients behind a load balancer that forwards bytes, such as HAProxy in `mode tcp`, AWS's NLB, or nginx's `stream`: the PROXY
//! protocol, versions 1 and 2.
//!
//! ```no_run
//! use gateway_server::Sockets;
//! use gateway_server::http::Server;
//! use gateway_server::proxy_protocol::ProxyProtocol;
//!
//! # async fn example(service: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! let balancer = "10.0.0.7/32".parse()?;
//! let listener = ProxyProtocol::new(Sockets::bind("0.0.0.0:8080")?).trust_peers(balancer);
//! Server::on(listener).serve(service).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! backend app                         # HAProxy
//!     mode tcp
//!     server app 10.0.0.8:8080 send-proxy-v2
//! ```
//!
//! | who connects | what becomes of the connection |
//! |---|---|
//! | a named peer, with a header | it is the client's whom the header names, for the application, the access log and every bound |
//! | a named peer, with a header that names no client (`LOCAL`, `UNKNOWN`: health checks) | it is the peer's |
//! | a named peer, with anything else, or with nothing for the [time-out](ProxyProtocol::header_timeout) | closed, and a warning |
//! | another peer | closed; or [as it is](OtherPeers::Plain), its header (if it sends one) no more than bytes |
//!
//! A header is read in the connection's own task, to its last byte and not further, so a slow one keeps no other client waiting,
//! and what is around the listener (TLS) or behind it (the kernel sending files) works as without. Version 1 ends with a line, which has to be looked for two
//! bytes at a time: version 2 takes two system calls, version 1 some thirty.
//!
//! [`ConnInfo::peer`](gateway_core::request::ConnInfo::peer) is the client, `proxy` the balancer, and `local` the address that the client connected to. No
//! traceback and no list of routes is shown over such a connection. Where version 2 says that the client speaks TLS to
//! the balancer, the scheme is `https`. A request's headers are not looked at: for those of a proxy that speaks HTTP
//! there is [`gateway_core::proxy`].

mod header;
mod listener;

pub use self::listener::{OtherPeers, ProxyProtocol};
