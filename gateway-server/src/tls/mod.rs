//! HTTPS: TLS by rustls on the connections of an HTTP server.
//!
//! ```no_run
//! use gateway_server::Sockets;
//! use gateway_server::http::Server;
//! use gateway_server::tls::{HttpsLayer, Tls};
//!
//! # async fn example(router: axum::Router) -> std::io::Result<()> {
//! let tls = Tls::pem("fullchain.pem", "privkey.pem")?;
//! Server::bind("[::]:443")?
//!     .tls(tls)
//!     .and_listener(Sockets::bind("[::]:80")?)
//!     .serve(router.layer(HttpsLayer::new()))
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! That is a site on the open internet: the certificate is taken anew when its files change or at SIGHUP, and port 80 sends
//! to port 443. All that [`http`](crate::http) says of timeouts, limits, framing and a shutdown holds over TLS too;
//! [`serve_files`](crate::http::Server::serve_files) reads files there, as the kernel cannot encrypt them. Whatever asks
//! for the scheme is told `https`: [`ConnInfo`](gateway_core::request::ConnInfo), `HTTPS=on`, `wsgi.url_scheme`, absolute addresses.
//!
//! | | |
//! |---|---|
//! | certificates in PEM files, several, for clients by name | [`PemFiles`] |
//! | a `rustls::ServerConfig` of the program's own | [`Tls::own`] |
//! | certificates of clients | [`ClientCertificates`], [`Tls::remote_user`] |
//! | new certificates while the server runs | by [`PemFiles`] itself; [`Tls::reloader`] |
//! | port 80 | [`HttpsLayer`] |
//!
//! # Handshakes
//!
//! Each runs in the task of its own connection, so a slow one keeps no other waiting. It has its own
//! [time limit](Tls::handshake_timeout), 10 seconds, and [bound](Tls::max_handshakes): as many as that, and a quarter of
//! all connections at most, are under way at a time. One more ends the oldest, so connections that say nothing keep no client
//! out.
//!
//! A client that speaks HTTP in the clear is answered 400, in words.
//!
//! # Strict transport security
//!
//! That browsers ask for a site over `https` alone from now on (HSTS, RFC 6797) is a field for each response. It is hard to take
//! back, so no layer of ours sends it; tower-http's does:
//!
//! ```
//! use axum::Router;
//! use gateway_server::tls::HttpsLayer;
//! use http::HeaderValue;
//! use http::header::STRICT_TRANSPORT_SECURITY;
//! use tower_http::set_header::SetResponseHeaderLayer;
//!
//! # fn example(router: Router) -> Router {
//! // A year. Begin with a few minutes.
//! let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
//! router
//!     .layer(SetResponseHeaderLayer::if_not_present(STRICT_TRANSPORT_SECURITY, year))
//!     // Outermost: over http the field means nothing (RFC 6797 section 7.2).
//!     .layer(HttpsLayer::new())
//! # }
//! ```
//!
//! # Features
//!
//! `tls` has ring's cryptography, `tls-aws-lc` that of aws-lc-rs, which is taken where both are on, and `tls-no-provider` none: the
//! program installs one. One that the program has installed is always taken first.

mod by_name;
mod clients;
mod config;
mod current;
mod files;
mod half_open;
#[cfg(unix)]
mod hangup;
mod listener;
mod pem;
mod plain;
mod redirect;
mod reloader;
mod settings;
mod stream;

pub use clients::ClientCertificates;
pub use files::PemFiles;
pub use listener::TlsListener;
pub use redirect::{Https, HttpsLayer, ResponseFuture};
pub use reloader::Reloader;
pub use settings::Tls;
pub use stream::TlsStream;
pub use tokio_rustls::rustls;
