//! Bounds for each client, so that one of them does not keep the others out. All are off by default.
//!
//! | bound | by | beyond it |
//! |---|---|---|
//! | connections open at a time | [`Server::max_connections_per_client`](crate::Server::max_connections_per_client) | closed at once, before a handshake |
//! | requests begun in a second | [`RequestRateLayer`] | 429, with Retry-After |
//!
//! A client is an IPv4 address, or the /64 net of an IPv6 address, which is the least that a customer of a provider has to
//! choose from. Connections over Unix sockets have no address and are not counted; nor are requests, unless a proxy
//! layer says for whom they are.
//!
//! Behind a balancer that forwards bytes the PROXY header tells whose a connection is, so one too many is closed
//! only once it has been read, and the handshake of TLS behind it is over.
//!
//! Behind a reverse proxy all connections are the proxy's:
//! [`uncounted_peers`](crate::Server::uncounted_peers) names it, and its requests are counted by the client that it names, where
//! the layer is below a [`ProxyLayer`](gateway_core::proxy::ProxyLayer) that trusts it.
//!
//! ```no_run
//! # use gateway_core::{Body, Environ, Reply, Application};
//! # fn hello(_: &mut Environ) -> Reply { Reply::text("hello") }
//! use std::num::NonZeroU32;
//!
//! use gateway_core::proxy::ProxyLayer;
//! use gateway_server::fairness::RequestRateLayer;
//! use gateway_server::http::Server;
//! use tower::ServiceBuilder;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let proxy = "10.0.0.7/32".parse()?;
//! let service = ServiceBuilder::new()
//!     .layer(ProxyLayer::x_forwarded().trust_peers(proxy))
//!     .layer(RequestRateLayer::per_second(NonZeroU32::new(50).unwrap()))
//!     .service(hello.into_service());
//! Server::bind("0.0.0.0:8080")?
//!     .max_connections_per_client(100)
//!     .uncounted_peers(proxy)
//!     .serve(service)
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod connections;
mod rate;
mod service;

pub(crate) use connections::{Admitted, ConnectionBounds};
pub use service::{RequestRate, RequestRateLayer, ResponseFuture};
