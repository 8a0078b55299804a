//! HTTP/1.1 and HTTP/2 over hyper: what is missing between hyper's parts and a server that can
//! stand on the open internet.
//!
//! ```no_run
//! # async fn example(router: axum::Router) -> std::io::Result<()> {
//! // An axum `Router`, or any tower service.
//! gateway_server::http::serve("127.0.0.1:8080", router).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`run`], [`run_service`] and [`serve`] are [`Server`] with all its defaults:
//!
//! | what | default | then |
//! |---|---|---|
//! | [first byte](Server::first_byte_timeout), a handshake included | 15 s | closed |
//! | TLS handshake (feature `tls`, in the module of its name) | 10 s | closed |
//! | [head of a request](Server::header_read_timeout), from its first byte to its last | 15 s | 408 |
//! | [body standing still](Server::body_read_timeout) while it is waited for | 30 s | 408 |
//! | [client taking nothing](Server::write_stall_timeout) of a response | 30 s | closed |
//! | [idle between requests](Server::keep_alive_timeout) | 75 s, at most a quarter more | closed, GOAWAY |
//! | [half-closed client](Server::half_close_timeout) waiting for an answer to begin | 1 s | request dropped |
//! | [connections](Server::max_connections) | 9/10 of the open-file limit, 65,536 at most | they wait |
//! | connections of one client (`max_connections_per_client`, feature `fairness`) | no limit | closed |
//! | [bytes](Server::max_header_size) and [fields](Server::max_headers) of a head | 64 KiB, 100 | 431 |
//! | [bytes of a body](Server::max_body) | no limit | 413 |
//! | [HTTP/2 streams](Server::max_concurrent_streams) of a connection | 200 | they wait |
//! | [grace](Server::shutdown_grace) and [deadline](Server::shutdown_deadline) of a shutdown | 1 s, 8 s | idle closed; cut |
//!
//! The server never cuts off a slow client that moves, however slow. While a thread waits for one, a blocking application's
//! adapter does ([`minimum_rate`](gateway_core::adapt::BlockingService::minimum_rate)). On a quiet machine the timeouts cost
//! nothing that can be measured: one timer a connection, looked at every few seconds.
//!
//! # What is answered without asking the service
//!
//! | what came | answer |
//! |---|---|
//! | no Host (HTTP/1.1), two, or one that is no host (RFC 9112 section 3.2) | 400 |
//! | a target that its method does not allow (`GET host:80`, `GET *`, `CONNECT /`), userinfo, a port that is none | 400 |
//! | HTTP/2: a Host that contradicts `:authority`, or neither (RFC 9113 section 8.3.1) | 400 |
//! | Content-Length and Transfer-Encoding | the service is asked, with the latter alone; then closed (RFC 9112 section 6.1) |
//! | `chunked` not last, or twice; several lengths that differ; white space before a colon; folded lines; bare CR | 400 |
//! | a transfer coding other than `chunked` | 501 |
//! | a target beyond 65,534 bytes | 414 |
//! | a service that fails or panics | 500 with no body, or the status its [`Error`](gateway_core::Error) carries |
//!
//! A target that names a host (`GET http://host/`) overrules Host, which is made to agree (RFC 9112
//! section 3.2.2). Chunked bodies that have trailers, or that the service has not read to the end when
//! it answers, are the last of their connection; so is a body with a Content-Length that the service has
//! dropped unread by then, unless all of it came with the head. The answer says `Connection: close`.
//!
//! After each of these but the last an HTTP/1 connection is closed, and so that the client can read
//! the answer, what it is still sending is read and thrown away for up to thirty seconds, until it is
//! silent for five (as nginx does; two and one during a shutdown).
//!
//! # Where a response ends
//!
//! A client that is told a wrong length reads the next response as part of this one. So what a service or a layer says
//! about that is checked before the head leaves, over every protocol of this crate:
//!
//! | the response | what leaves |
//! |---|---|
//! | Content-Length that is no number, or differs from a body that knows its length | 500, and an error in the log |
//! | Content-Length, and a body that does not know its length | counted: the piece that would exceed it is not sent; the connection ends (HTTP/2: the stream is reset) there, and where the body is too short |
//! | equal Content-Length fields | one |
//! | Transfer-Encoding | left out, and a warning in the log: the server chooses it |
//! | 204, 2xx to CONNECT, 101 | no length |
//! | 205 | empty |
//! | 304, and any answer to HEAD | one length, as it was said, or none |
//! | 1xx; 101 to a client that asked for no upgrade | 500, and an error in the log |
//!
//! # What a service sees
//!
//! [`Request<Body>`](gateway_core::Body), with who connected and the path as it came
//! ([`RequestExt`](gateway_core::RequestExt)). A `100 Continue` is sent when the body is first read, over
//! HTTP/1.1: over HTTP/2 hyper sends none, and a client that expects it goes on by itself after a while. When the client is gone, the request is dropped. Upgrades (`hyper::upgrade::on`, axum's WebSockets)
//! work; an upgraded connection keeps its place under the limit and has no timeouts. (Over HTTP/2 a tunnel is one
//! stream among others; browsers open WebSockets there where [`http2_websockets`](Server::http2_websockets) invites them.) A shutdown waits
//! for it: after the grace period, whatever waits for its input reads the end. Behind a reverse proxy, put `gateway_core::proxy::ProxyLayer` outermost.
//!
//! # Bodies that fail
//!
//! The body of a response that fails or panics is told to `tracing`. What it has given is sent, and
//! then the connection (over HTTP/2: the stream) ends so that the client sees that something is
//! missing; where it has given nothing, the client gets no answer at all, of which a proxy makes 502.
//! Over HTTP/1.0, where the end of the connection is the end of the body, it is reset. For a page that
//! explains, put `middleware_exceptions` outermost.
//!
//! # Files
//!
//! [`serve_files`](Server::serve_files) has the kernel send large files, where the bodies of a service say which they are.
//!
//! # Logs
//!
//! `tracing` has one event a request, target `gateway_server::access`, level INFO: `method`, `path`,
//! `status`, `bytes`, `duration` (seconds), `peer`, `complete`. Without a subscriber it costs a branch. `peer`
//! is who is connected, a reverse proxy too. For people there is [`common_log`](crate::common_log),
//! which inside a `ProxyLayer` knows the client.
//!
//! # Reloading while you work
//!
//! ```text
//! $ cargo install systemfd cargo-watch
//! $ systemfd --no-pid -s http::8080 -- cargo watch -x run
//! ```
//!
//! systemfd opens the port and keeps it; [`run`], [`serve`] and [`Server::listenfd_or_bind`] find it in
//! `LISTEN_FDS`. cargo-watch builds after every change and starts the program anew. A request that
//! comes in between waits in the socket instead of being refused. The same works in production with
//! a systemd `.socket` unit: restarts refuse no client.
//!
//! # What it does not do
//!
//! HTTP/3, virtual hosts, compression,
//! and requests that wait for their turn: those are layers, or a proxy's. Bounds for each client are in
//! `fairness`, a feature.

mod activity;
mod check;
mod connection;
mod files;
mod guard;
mod io;
mod request_body;
mod response_body;
mod server;
mod service;
mod shared_activity;
mod streams;

use std::process::ExitCode;

use gateway_core::Application;

pub use request_body::RequestBodyError;
pub use server::{Http, Server};

use crate::{HttpService, Outcome, ToSockets, block_on};

/// Serves a blocking application on `sockets` (`"127.0.0.1:8080"`, `"/run/app.sock"`), with the defaults of
/// [`Server`], until SIGTERM or SIGINT.
///
/// Sockets that the process was started with (`LISTEN_FDS`) take the place of `sockets`, unless those are
/// [`Sockets`](crate::Sockets) that the program has made itself.
///
/// It starts a runtime, and must not be called inside one. The exit code and the end are those of
/// [`block_on`].
///
/// # Errors
///
/// The sockets cannot be made, or signals cannot be listened for.
pub fn run(sockets: impl ToSockets, application: impl Application) -> std::io::Result<ExitCode> {
    run_service(sockets, application.into_service())
}

/// As [`run`], for a tower service.
///
/// # Errors
///
/// As [`run`].
pub fn run_service(
    sockets: impl ToSockets,
    service: impl HttpService,
) -> std::io::Result<ExitCode> {
    block_on(serve(sockets, service))
}

/// As [`run_service`], on the runtime of the caller.
///
/// # Errors
///
/// As [`run`].
pub async fn serve(sockets: impl ToSockets, service: impl HttpService) -> std::io::Result<Outcome> {
    crate::server::serve::<Http>(sockets, service).await
}
