//! A server behind a front end: what FastCGI's and SCGI's have in common is all but the protocol.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::paths::{InvalidPrefix, Prefix};
use gateway_core::request::Addr;
use gateway_core::{Application, Body, BoxError};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;
use tracing::{debug, warn};

use super::wire::codec::Codec;
use super::wire::connection::{Closing, Connection};
use super::wire::settings::Settings;
use crate::lifetime::{Lifetime, tcp_addr};
use crate::listen::accept::Admission;
use crate::listen::listener::{Both, Listener};
use crate::listen::sockets::Sockets;
use crate::shutdown::{Outcome, Shutdown};

/// A protocol that a front end speaks.
pub(crate) trait Protocol: Send + 'static {
    type Codec: Codec + Send + 'static;
    const NAME: &'static str;

    fn codec(settings: &Settings, max_connections: usize) -> Self::Codec;
}

/// A server behind nginx, Apache or lighttpd, for any tower service. Its names are
/// [`fastcgi::Server`](crate::fastcgi::Server) and [`scgi::Server`](crate::scgi::Server).
///
/// Settings, shutdown and what the service is told of the connection are those of
/// [`http::Server`](crate::http::Server). Those that take a duration take `None` for "for ever".
///
/// A peer that can connect can claim to be any client: a TCP socket belongs on the loopback interface
/// or on a network that strangers cannot reach, and a Unix socket is better.
#[must_use = "a server does nothing until it serves"]
pub struct FrontEndServer<P, L = Sockets> {
    listener: L,
    settings: Settings,
    lifetime: Lifetime,
    /// The front ends that may connect; `None` for all.
    front_ends: Option<Arc<[IpAddr]>>,
    protocol: PhantomData<fn() -> P>,
}

impl<P> FrontEndServer<P> {
    /// A server without a socket: add some, or use [`serve_connection`](Self::serve_connection).
    pub fn new() -> Self {
        Self::on(Sockets::new())
    }

    /// A server that listens on the TCP address `addr`, port 0 for one that is free.
    ///
    /// # Errors
    ///
    /// The name has no address, or none that can be bound.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new().and_bind(addr)
    }

    /// Listens on the TCP address `addr` too.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn and_bind(mut self, addr: impl ToSocketAddrs) -> io::Result<Self> {
        self.listener = self.listener.and_bind(addr)?;
        Ok(self)
    }

    /// Listens on a Unix socket at `path` too, with exactly the permissions `mode`: the front end
    /// must be able to write to it, so `0o660` with its group, or `0o666`.
    ///
    /// # Errors
    ///
    /// As [`Sockets::and_unix`].
    #[cfg(unix)]
    pub fn unix(mut self, path: impl AsRef<std::path::Path>, mode: u32) -> io::Result<Self> {
        self.listener = self.listener.and_unix(path, mode)?;
        Ok(self)
    }

    /// Listens on the sockets this process was started with too (`LISTEN_FDS`).
    ///
    /// # Errors
    ///
    /// As [`Sockets::and_listenfd`].
    pub fn listenfd(mut self) -> io::Result<Self> {
        self.listener = self.listener.and_listenfd()?;
        Ok(self)
    }

    /// Listens on descriptor 0 too, where spawn-fcgi, Apache's mod_fcgid and lighttpd's `bin-path`
    /// put the socket (FCGI_LISTENSOCK_FILENO).
    ///
    /// Where FCGI_WEB_SERVER_ADDRS names the addresses of front ends, no other peer is served.
    ///
    /// # Errors
    ///
    /// As [`Sockets::and_stdin`].
    #[cfg(unix)]
    pub fn stdin(mut self) -> io::Result<Self> {
        self.listener = self.listener.and_stdin()?;
        self.front_ends = front_ends(std::env::var("FCGI_WEB_SERVER_ADDRS").ok().as_deref());
        Ok(self)
    }

    /// How long a TCP connection may be silent before the kernel asks whether its peer is still there. See
    /// [`Sockets::tcp_keepalive`]. Default: 60 seconds.
    pub fn tcp_keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.listener = self.listener.tcp_keepalive(idle);
        self
    }

    /// All addresses listened on.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<Addr> {
        self.listener.local_addrs()
    }
}

impl<P> Default for FrontEndServer<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// FCGI_WEB_SERVER_ADDRS: section 3.2 of the specification. What is no address matches no peer.
fn front_ends(addrs: Option<&str>) -> Option<Arc<[IpAddr]>> {
    let addrs = addrs.filter(|addrs| !addrs.is_empty())?;
    Some(
        addrs
            .split(',')
            .filter_map(|addr| addr.trim().parse().ok())
            .collect(),
    )
}

impl<P, L: Listener> FrontEndServer<P, L> {
    /// Takes connections from `listener` too.
    pub fn listener<M: Listener>(self, listener: M) -> FrontEndServer<P, Both<L, M>> {
        FrontEndServer {
            listener: Both::new(self.listener, listener),
            settings: self.settings,
            lifetime: self.lifetime,
            front_ends: self.front_ends,
            protocol: PhantomData,
        }
    }

    /// The TCP address listened on, the first one where there are several.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        tcp_addr(&self.listener)
    }
}

impl<P, L> FrontEndServer<P, L> {
    /// A server on `listener` alone: [`Sockets`], or one of your own.
    pub fn on(listener: L) -> Self {
        Self {
            listener,
            settings: Settings::default(),
            lifetime: Lifetime::default(),
            front_ends: None,
            protocol: PhantomData,
        }
    }

    /// Where the application stands, decoded: overrules SCRIPT_NAME, for front ends that put the
    /// whole path there (Apache's mod_proxy_fcgi, nginx's `fastcgi_params` as they come). A path
    /// that is not below it is all PATH_INFO. Default: what SCRIPT_NAME and PATH_INFO say.
    ///
    /// # Errors
    ///
    /// `script_name` neither is empty nor begins with one `/`, or has an empty segment.
    pub fn script_name(mut self, script_name: &str) -> Result<Self, InvalidPrefix> {
        self.settings.mount = Some(Arc::new(Prefix::new(script_name)?));
        Ok(self)
    }

    /// How long the variables of a request may take from the first byte to the last. Default: 15
    /// seconds; then the connection is closed.
    pub fn header_read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.head = timeout.into();
        self
    }

    /// How long a kept connection may wait for its next request. Default: for ever, since the
    /// front end closes the connections of its pool itself, and one that is closed under its hands
    /// can cost a request.
    pub fn keep_alive_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.idle = timeout.into();
        self
    }

    /// How long the body of a request may stand still while it is waited for. Each piece starts it
    /// anew. Default: 30 seconds; then reading it fails.
    pub fn body_read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.body = timeout.into();
        self
    }

    /// How long a response may stand still because the front end takes nothing. What it takes
    /// starts it anew. Default: 30 seconds; then the connection is closed.
    pub fn write_stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.write = timeout.into();
        self
    }

    /// How long a front end that has closed its side is waited for by its request, whose client
    /// is gone then, mostly. Default: one second; then the request is dropped. Once its answer has
    /// begun, that is sent to the end.
    pub fn half_close_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.half_close = timeout.into();
        self
    }

    /// How many connections may be open at a time. More wait in the kernel's queue; none is
    /// dropped. Default: nine tenths of the files the process may open, and 65,536 at most.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.lifetime.limit_connections(most);
        self
    }

    /// How many bytes the variables of a request may have: 431 for more. Default: 128 KiB.
    pub fn max_header_size(mut self, bytes: usize) -> Self {
        self.settings.head_bytes = bytes;
        self
    }

    /// How many header fields a request may have: 431 for more. Default: 100.
    pub fn max_headers(mut self, fields: usize) -> Self {
        self.settings.head_fields = fields;
        self
    }

    /// How many bytes the body of a request may have: 413 for more, before the service is asked
    /// where CONTENT_LENGTH says so; else reading it fails with an error that is answered with 413
    /// where the service passes it on. Default: no limit.
    pub fn max_body(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.body_bytes = bytes.into();
        self
    }

    /// Stops when `signal` is ready, instead of at SIGTERM and SIGINT, which are then not touched.
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.lifetime.stop_when(signal);
        self
    }

    /// How long idle connections stay open after a shutdown has begun, for requests that are on
    /// their way. Each connection is closed with the end of its response. Default: one second. The
    /// server does not wait for it when no connection is left.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.lifetime.plan.grace = grace;
        self
    }

    /// How long running requests have from the beginning of a shutdown until they are cut.
    /// Default: 8 seconds.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.lifetime.plan.deadline = deadline;
        self
    }
}

#[expect(private_bounds, reason = "the protocols are those of this crate")]
impl<P: Protocol, L> FrontEndServer<P, L> {
    /// Serves one connection that the caller has accepted, until it is closed: with all
    /// timeouts, and outside every shutdown and count.
    pub fn serve_connection<T, S, B>(
        &self,
        io: T,
        service: S,
    ) -> impl Future<Output = ()> + use<P, L, T, S, B>
    where
        T: AsyncRead + AsyncWrite + Unpin,
        S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>> + Clone,
        B: http_body::Body<Error: Into<BoxError>>,
    {
        let codec = P::codec(&self.settings, self.lifetime.most_connections());
        let settings = Arc::new(self.settings.clone());
        Connection::new(
            io,
            codec,
            service,
            settings,
            Closing {
                reset: |_| {},
                with_last_write: |_| {},
            },
            Shutdown::new().watch(),
        )
    }
}

#[expect(private_bounds, reason = "the protocols are those of this crate")]
impl<P: Protocol, L: Listener> FrontEndServer<P, L> {
    /// Serves `service` until a shutdown: an axum `Router`, or any tower service over [`Body`] or
    /// any body.
    ///
    /// Each connection has a clone of it. What it cannot answer (an error, a panic) is answered
    /// with a bare 500, or with the status that the error carries.
    ///
    /// # Shutdown
    ///
    /// The first SIGTERM or SIGINT (or the future of
    /// [`with_graceful_shutdown`](Self::with_graceful_shutdown)) begins it: nothing more is
    /// accepted, connections close with the end of their response, idle ones after the [grace
    /// period](Self::shutdown_grace), and at the [deadline](Self::shutdown_deadline), or at a second
    /// signal, what is left is cut. Of calls that never end [`block_on`](crate::block_on) takes care.
    ///
    /// # Errors
    ///
    /// The sockets cannot be used with this runtime, or signals cannot be listened for.
    pub async fn serve<S, B>(self, service: S) -> io::Result<Outcome>
    where
        S: Service<
                Request<Body>,
                Response = Response<B>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            > + Clone
            + Send
            + 'static,
        B: http_body::Body<Error: Into<BoxError>> + Send + 'static,
    {
        let Self {
            listener,
            settings,
            lifetime,
            front_ends,
            ..
        } = self;
        let most = lifetime.most_connections();
        let settings = Arc::new(settings);
        let serve = |handshake: L::Handshake, admission: Admission| {
            let (settings, service) = (Arc::clone(&settings), service.clone());
            let front_ends = front_ends.clone();
            async move {
                let (io, conn) = match handshake.await {
                    Ok(accepted) => accepted,
                    Err(error) => return debug!(%error, "handshake failed"),
                };
                let peer = conn.peer().clone();
                if front_ends.is_some_and(|known| peer.ip().is_none_or(|ip| !known.contains(&ip))) {
                    return warn!(%peer, "not one of FCGI_WEB_SERVER_ADDRS");
                }
                let codec = P::codec(&settings, most);
                let watch = admission.shutdown().watch();
                let closing = Closing {
                    reset: L::reset_on_close,
                    with_last_write: L::end_with_last_write,
                };
                Connection::new(io, codec, service, settings, closing, watch).await;
                if admission.is_cut() {
                    warn!(%peer, "connection cut");
                }
                // Not before here: a shutdown waits for connections that are still being closed.
                drop(admission);
            }
        };
        lifetime.run(listener, P::NAME, serve).await
    }
}

#[expect(private_bounds, reason = "the protocols are those of this crate")]
impl<P: Protocol, L: Listener> FrontEndServer<P, L> {
    /// Serves a blocking application, on threads that may block, as [`serve`](Self::serve) does.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    pub async fn serve_app(self, application: impl Application) -> io::Result<Outcome> {
        self.serve(application.into_service()).await
    }
}

impl<P, L: fmt::Debug> fmt::Debug for FrontEndServer<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("settings", &self.settings)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_ends_are_those_that_the_variable_names() {
        assert_eq!(front_ends(None), None);
        assert_eq!(front_ends(Some("")), None);
        let known = front_ends(Some("199.170.183.28, ::1,nonsense")).unwrap();
        assert_eq!(
            &*known,
            [
                "199.170.183.28".parse::<IpAddr>().unwrap(),
                "::1".parse().unwrap()
            ]
        );
    }
}
