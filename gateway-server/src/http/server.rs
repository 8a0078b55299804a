use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::{Addr, Application, ConnInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::connection::{Connection, Protocols};
use super::io::Kernel;
use super::settings::Settings;
use crate::HttpService;
use crate::lifetime::{Lifetime, tcp_addr};
use crate::listen::accept::Admission;
use crate::listen::listener::{Both, Listener};
use crate::listen::sockets::Sockets;
use crate::shutdown::{Outcome, Phase};

/// An HTTP/1.1 and HTTP/2 server.
///
/// Which of the two a connection speaks is told by its first bytes, so both go to the same port.
/// Every timeout and limit has a default that is safe to put on the open internet; the methods
/// that change them say what it is. Those that take a duration take `None` for "for ever".
///
/// ```no_run
/// use gateway_core::Body;
/// use gateway_server::http::Server;
/// use http::{Request, Response};
///
/// # async fn example() -> std::io::Result<()> {
/// let service = tower::service_fn(|_: Request<Body>| async {
///     Ok::<_, std::convert::Infallible>(Response::new("Hello World!".to_string()))
/// });
/// let server = Server::bind("127.0.0.1:8080")?;
/// println!("http://{}", server.local_addr()?);
/// server.serve(service).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a server does nothing until it serves"]
pub struct Server<L = Sockets> {
    listener: L,
    settings: Settings,
    lifetime: Lifetime,
}

impl Server<Sockets> {
    /// A server without a socket: add some, or use [`serve_connection`](Self::serve_connection).
    pub fn new() -> Self {
        Self {
            listener: Sockets::new(),
            settings: Settings::default(),
            lifetime: Lifetime::default(),
        }
    }

    /// A server that listens on the TCP address `addr`, port 0 for one that is free. From here on
    /// the kernel takes connections; they are answered when it [serves](Self::serve).
    ///
    /// # Errors
    ///
    /// The name has no address, or none that can be bound.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new().and_bind(addr)
    }

    /// A server on the sockets this process was started with (`LISTEN_FDS`: systemd, systemfd),
    /// or on `addr` where it was started with none. With it a program can be restarted on every
    /// change of its source without ever refusing a connection:
    ///
    /// ```text
    /// systemfd --no-pid -s http::8080 -- cargo watch -x run
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`listenfd`](Self::listenfd) but `NotFound`, or of [`bind`](Self::bind).
    pub fn listenfd_or_bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        match Self::new().listenfd() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::bind(addr),
            other => other,
        }
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

    /// Listens on a Unix socket at `path` too, whose permissions are exactly `mode`. See
    /// [`Sockets::and_unix`].
    ///
    /// # Errors
    ///
    /// Another server listens there, something that is no socket is there, or it cannot be made.
    #[cfg(unix)]
    pub fn unix(mut self, path: impl AsRef<std::path::Path>, mode: u32) -> io::Result<Self> {
        self.listener = self.listener.and_unix(path, mode)?;
        Ok(self)
    }

    /// Listens on the sockets this process was started with too. See [`Sockets::and_listenfd`].
    ///
    /// # Errors
    ///
    /// `NotFound` where it was started with none; `InvalidInput` for one that cannot be used.
    pub fn listenfd(mut self) -> io::Result<Self> {
        self.listener = self.listener.and_listenfd()?;
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

impl Default for Server<Sockets> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Listener> Server<L> {
    /// Takes connections from `listener` too: TLS, or anything else you bring.
    pub fn listener<M: Listener>(self, listener: M) -> Server<Both<L, M>> {
        Server {
            listener: Both::new(self.listener, listener),
            settings: self.settings,
            lifetime: self.lifetime,
        }
    }

    /// The TCP address listened on, the first one where there are several: known from the moment
    /// it is bound.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        tcp_addr(&self.listener)
    }
}

impl<L> Server<L> {
    /// How long a new connection may take to its first byte, a TLS handshake included. Default:
    /// 15 seconds.
    pub fn first_byte_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.first_byte = timeout.into();
        self
    }

    /// How long the head of a request may take from its first byte to its last, however it drips.
    /// Default: 15 seconds; then 408.
    pub fn header_read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.head = timeout.into();
        self
    }

    /// How long a connection may wait for its next request. Default: 75 seconds.
    pub fn keep_alive_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.idle = timeout.into();
        self
    }

    /// How long the body of a request may stand still while it is waited for. Each piece starts
    /// it anew, so a slow client is fine, and so is a service that takes its time. Default: 30
    /// seconds; then 408 where no answer has begun.
    pub fn body_read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.body = timeout.into();
        self
    }

    /// How long a response may stand still because the client takes nothing. What it takes starts
    /// it anew, so a slow client is fine. Default: 30 seconds; then the connection is closed.
    pub fn write_stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.write = timeout.into();
        self
    }

    /// How long a client that has closed its sending side is waited for by its request. It may be
    /// gone, or have just said that there will be no more; TCP does not tell. Default: one second;
    /// then the request is dropped. Once its answer has begun, that is sent to the end.
    pub fn half_close_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.half_close = timeout.into();
        self
    }

    /// How many connections may be open at a time. More wait in the kernel's queue; none is
    /// dropped. At least 1. Default: nine tenths of the files the process may open, and 65,536 at most.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.lifetime.limit_connections(most);
        self
    }

    /// How many bytes the head of a request may have: 431 for more. Default: 64 KiB. (HTTP/2
    /// counts 32 more for each field, by RFC 9113 section 6.5.2.)
    pub fn max_header_size(mut self, bytes: usize) -> Self {
        self.settings.head_bytes = bytes;
        self
    }

    /// How many fields the head of a request may have: 431 for more. Default: 100.
    pub fn max_headers(mut self, fields: usize) -> Self {
        self.settings.head_fields = fields;
        self
    }

    /// How many bytes the body of a request may have: 413 for more, before the service is asked
    /// where the client says so in Content-Length, else as soon as they have come. Default: no
    /// limit.
    pub fn max_body(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.body_bytes = bytes.into();
        self
    }

    /// How many requests an HTTP/2 client may have open at a time. Default: 200.
    pub fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.settings.streams = streams;
        self
    }

    /// Tells HTTP/2 clients that they may open WebSockets in a stream, by CONNECT (RFC 8441). Default: they
    /// are not told, and browsers open a connection of HTTP/1.1 for each, which any service understands.
    /// For services that answer this CONNECT: axum's `WebSocketUpgrade` does, below `any` or `connect`, and
    /// not below `get`.
    pub fn http2_websockets(mut self) -> Self {
        self.settings.http2_websockets = true;
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
    /// their way: those are answered with `Connection: close`, so a client that obeys it sees no
    /// error. Default: one second. The server does not wait for it when no connection is left.
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

    #[cfg(all(
        feature = "http",
        feature = "fastcgi",
        feature = "scgi",
        feature = "cgi"
    ))]
    pub(crate) fn signals(mut self, signals: crate::shutdown::Signals) -> Self {
        self.lifetime.signals = Some(signals);
        self
    }

    /// Serves one connection that the caller has accepted, until it is closed: with all
    /// timeouts, and outside every shutdown and count.
    pub fn serve_connection<T, S>(
        &self,
        io: T,
        conn_info: ConnInfo,
        service: S,
    ) -> impl Future<Output = ()> + Send + use<T, S, L>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: HttpService,
    {
        let protocols = Protocols::new(self.settings.clone());
        Connection::new(io, conn_info, service, protocols, Kernel::unknown(), None)
    }
}

impl<L: Listener> Server<L> {
    /// Serves `service` until a shutdown: an axum `Router`, a tonic `Routes`, a `service_fn`, any
    /// tower service over [`Body`](gateway_core::Body) or any body.
    ///
    /// Each connection has a clone of it. What it cannot answer (an error, a panic) is answered
    /// with a bare 500.
    ///
    /// # Shutdown
    ///
    /// The first SIGTERM or SIGINT (or the future of
    /// [`with_graceful_shutdown`](Self::with_graceful_shutdown)) begins it: nothing more is
    /// accepted, answers say `Connection: close` and HTTP/2 GOAWAY, idle connections are closed
    /// after the [grace period](Self::shutdown_grace), running requests are finished, and at the
    /// [deadline](Self::shutdown_deadline), or at a second signal, what is left is cut. The [`Outcome`]
    /// tells, as does the log. When this has returned, signals do again what they do by default.
    ///
    /// Cutting a request drops its future. It does not end a call that runs on a blocking thread, and a
    /// runtime that is dropped waits for those, however long: [`block_on`](crate::block_on) does not, and
    /// [`Outcome::time_left`] shows what to do about a runtime of your own.
    ///
    /// Connections that were upgraded (WebSockets) are waited for. When idle connections are closed,
    /// whatever waits for input in one reads its end; it can still send, and has until the deadline
    /// to do so. (A stream that was upgraded over HTTP/2 does not hear of it before it is cut.)
    ///
    /// # Errors
    ///
    /// The sockets cannot be used with this runtime, or signals cannot be listened for.
    pub async fn serve<S: HttpService>(self, service: S) -> io::Result<Outcome> {
        let Self {
            listener,
            settings,
            lifetime,
        } = self;
        let protocols = Protocols::new(settings);
        let serve = move |handshake, admission| {
            let (protocols, service) = (Arc::clone(&protocols), service.clone());
            handle::<L, S>(handshake, admission, service, protocols)
        };
        lifetime.run(listener, "HTTP", serve).await
    }

    /// Serves a blocking application until a shutdown: as [`serve`](Self::serve) with
    /// [`into_service`](Application::into_service).
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    pub async fn serve_app<A: Application>(self, application: A) -> io::Result<Outcome> {
        self.serve(application.into_service()).await
    }
}

impl<L: fmt::Debug> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("settings", &self.settings)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// One connection, from its handshake on.
async fn handle<L, S>(
    handshake: L::Handshake,
    admission: Admission,
    service: S,
    protocols: Arc<Protocols>,
) where
    L: Listener,
    S: HttpService,
{
    let mut watch = admission.shutdown().watch();
    let first_byte = protocols.settings.timeouts.first_byte;
    let patience = first_byte.unwrap_or(Duration::MAX);
    let shaken = tokio::select! {
        biased;
        shaken = tokio::time::timeout(patience, handshake) => shaken,
        () = watch.reached(Phase::Closing) => return,
    };
    let (stream, conn) = match shaken {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => {
            debug!(%error, "handshake failed");
            return;
        }
        Err(_) => {
            debug!("handshake took too long");
            return;
        }
    };
    drop(watch);
    let kernel = Kernel::of::<L>();
    Connection::new(stream, conn, service, protocols, kernel, Some(admission)).await;
}
