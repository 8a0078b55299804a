//! The server, whatever it speaks: its sockets, its settings, and its life from the first connection on.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::Application;
use gateway_core::request::{Addr, ConnInfo};
use tracing::debug;

use crate::lifetime::{Lifetime, tcp_addr};
use crate::listen::accept::Admission;
use crate::listen::listener::{Both, Listener};
use crate::listen::sockets::Sockets;
use crate::settings::Settings;
use crate::shutdown::{Outcome, Phase, Signals};
use crate::{HttpService, ServerState, ToSockets};

/// A protocol that a server speaks on its connections.
pub(crate) trait Protocol: Send + 'static {
    const NAME: &'static str;
    const DEFAULTS: Settings;

    /// What the connections of one server share.
    type Shared: Send + Sync + 'static;

    fn share(settings: Settings, most_connections: usize) -> Self::Shared;

    /// Serves one connection to its end.
    fn serve<L: Listener, S: HttpService>(
        io: L::Io,
        conn: ConnInfo,
        service: S,
        shared: Arc<Self::Shared>,
        admission: Admission,
    ) -> impl Future<Output = ()> + Send;
}

/// A server for any tower service, or for an application. `P` is what it speaks:
/// [`http::Server`](crate::http::Server), [`fastcgi::Server`](crate::fastcgi::Server) and
/// [`scgi::Server`](crate::scgi::Server) are its names.
///
/// Every timeout and limit has a default, which the method that changes it states. The defaults are
/// safe on the open internet for HTTP, and behind a front end for the others. Methods that take a
/// duration take `None` for no limit.
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
pub struct Server<P, L = Sockets> {
    pub(crate) listener: L,
    pub(crate) settings: Settings,
    pub(crate) lifetime: Lifetime,
    protocol: PhantomData<fn() -> P>,
}

#[expect(private_bounds, reason = "the protocols are those of this crate")]
impl<P: Protocol> Server<P> {
    /// A server without a socket. Add some, or use `serve_connection`.
    pub fn new() -> Self {
        Self::on(Sockets::new())
    }

    /// A server that listens on the TCP address `addr`. Port 0 takes a free port. From here on the
    /// kernel accepts connections; they are answered when the server [serves](Self::serve).
    ///
    /// # Errors
    ///
    /// The name has no address, or none that can be bound.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new().and_bind(addr)
    }

    /// A server on the sockets this process was started with (`LISTEN_FDS`: systemd, systemfd), or
    /// on `addr` if it was started with none. With it a program can be restarted on every change of
    /// its source without ever refusing a connection:
    ///
    /// ```text
    /// systemfd --no-pid -s http::8080 -- cargo watch -x run
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`and_listenfd`](Self::and_listenfd) but `NotFound`, or of [`bind`](Self::bind).
    pub fn listenfd_or_bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        match Self::new().and_listenfd() {
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

    /// Listens on a Unix socket at `path` too, with exactly the permissions `mode`: a front end
    /// must be able to write to it, so `0o660` with its group, or `0o666`. See
    /// [`Sockets::and_unix`].
    ///
    /// # Errors
    ///
    /// Another server listens there, the path is something other than a socket, or it cannot be
    /// made.
    #[cfg(unix)]
    pub fn and_unix(mut self, path: impl AsRef<std::path::Path>, mode: u32) -> io::Result<Self> {
        self.listener = self.listener.and_unix(path, mode)?;
        Ok(self)
    }

    /// Listens on the sockets this process was started with too. See [`Sockets::and_listenfd`].
    ///
    /// # Errors
    ///
    /// `NotFound` if it was started with none; `InvalidInput` for one that cannot be used.
    pub fn and_listenfd(mut self) -> io::Result<Self> {
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

impl<P: Protocol> Default for Server<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P, L: Listener> Server<P, L> {
    /// Takes connections from `listener` too: TLS, or another one of your own.
    pub fn and_listener<M: Listener>(self, listener: M) -> Server<P, Both<L, M>> {
        Server {
            listener: Both::new(self.listener, listener),
            settings: self.settings,
            lifetime: self.lifetime,
            protocol: PhantomData,
        }
    }

    /// The TCP address listened on, the first one if there are several. It is known as soon as it
    /// is bound.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        tcp_addr(&self.listener)
    }
}

#[expect(private_bounds, reason = "the protocols are those of this crate")]
impl<P: Protocol, L> Server<P, L> {
    /// A server on `listener` alone: [`Sockets`], or one of your own.
    pub fn on(listener: L) -> Self {
        Self {
            listener,
            settings: P::DEFAULTS,
            lifetime: Lifetime::default(),
            protocol: PhantomData,
        }
    }
}

impl<P, L> Server<P, L> {
    /// The same server on what `change` makes of its listener.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn map_listener<M>(self, change: impl FnOnce(L) -> M) -> Server<P, M> {
        Server {
            listener: change(self.listener),
            settings: self.settings,
            lifetime: self.lifetime,
            protocol: PhantomData,
        }
    }

    /// How long the head of a request (behind a front end: its variables) may take from its first
    /// byte to its last, however slowly it arrives. Default: 15 seconds. Then the client gets 408;
    /// a front end's connection is closed.
    pub fn header_read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.head = timeout.into();
        self
    }

    /// How long a connection may wait for its next request. Default: 75 seconds over HTTP. Behind a
    /// front end there is no limit: the front end closes the connections of its pool itself, and
    /// may lose a request on one that we close.
    pub fn keep_alive_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.idle = timeout.into();
        self
    }

    /// How long the service may wait for the next piece of a request's body. Each piece restarts
    /// it, so a slow client is fine; a service that does not read costs no time. Default: 30
    /// seconds. Then reading the body fails, and over HTTP the answer is 408 if none has begun.
    pub fn body_read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.body = timeout.into();
        self
    }

    /// How long a response may wait for a client that takes nothing of it. Whatever the client
    /// takes restarts it, so a slow client is fine. Default: 30 seconds. Then the connection is
    /// closed.
    pub fn write_stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.write = timeout.into();
        self
    }

    /// How long a request goes on after its client has closed its sending side. The client may be
    /// gone, or may only have said that it sends nothing more; TCP does not tell. Default: one
    /// second. Then the request is dropped. A response that has begun is sent to its end.
    pub fn half_close_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.half_close = timeout.into();
        self
    }

    /// How many connections may be open at a time, at least 1. More wait in the kernel's queue;
    /// none is dropped. Default: nine tenths of the files that the process may open, and 65,536 at
    /// most.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.lifetime.limit_connections(most);
        self
    }

    /// How many connections one client may have open at a time. What is beyond is closed at once, and told to `tracing` at the
    /// level DEBUG. Default: no bound. See [`fairness`](crate::fairness) for what a client is.
    #[cfg(feature = "fairness")]
    pub fn max_connections_per_client(mut self, most: impl Into<Option<usize>>) -> Self {
        self.lifetime.bounds.most = most.into();
        self
    }

    /// Does not count the connections of the peers of `net`, as all clients of a proxy come over those. May be called more than
    /// once. Default: every peer's are counted.
    #[cfg(feature = "fairness")]
    pub fn uncounted_peers(mut self, net: ipnet::IpNet) -> Self {
        self.lifetime.bounds.uncounted.push(net);
        self
    }

    /// Counts connections and requests in `state`. Default: nothing is counted.
    pub fn with_state(mut self, state: &ServerState) -> Self {
        self.lifetime.state = Some(state.clone());
        self.settings.state = Some(state.clone());
        self
    }

    /// How many bytes the head of a request may have (behind a front end: its variables). For more
    /// the client gets 431. Default: 64 KiB over HTTP, 128 KiB behind a front end. (HTTP/2 counts 32
    /// more for each field, by RFC 9113 section 6.5.2.)
    pub fn max_header_size(mut self, bytes: usize) -> Self {
        self.settings.head_bytes = bytes;
        self
    }

    /// How many header fields a request may have. For more the client gets 431. Default: 100.
    pub fn max_headers(mut self, fields: usize) -> Self {
        self.settings.head_fields = fields;
        self
    }

    /// How many bytes the body of a request may have. If Content-Length says more, the client gets
    /// 413 and the service is not asked. Otherwise reading the body fails as soon as more has come:
    /// over HTTP that is answered with 413, behind a front end if the service passes the error on.
    /// Default: no limit.
    pub fn max_body(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.body_bytes = bytes.into();
        self
    }

    /// Stops when `signal` is ready, instead of at SIGTERM and SIGINT, which are then left alone.
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.lifetime.stop_when(signal);
        self
    }

    /// How long idle connections stay open after a shutdown has begun, for requests that are on
    /// their way. Over HTTP those are answered with `Connection: close`, so a client that obeys it
    /// sees no error; behind a front end each connection is closed with the end of its response.
    /// Default: one second. The server does not wait for it when no connection is left.
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
impl<P: Protocol, L: Listener> Server<P, L> {
    /// Serves `service` until a shutdown: an axum `Router`, a tonic `Routes`, a `service_fn`, any
    /// tower service over [`Body`](gateway_core::Body) or any body.
    ///
    /// Each connection has a clone of it. If it fails or panics, the client gets a bare 500, or the
    /// status that the error carries.
    ///
    /// # Shutdown
    ///
    /// The first SIGTERM or SIGINT (or the future of
    /// [`with_graceful_shutdown`](Self::with_graceful_shutdown)) begins it. The server accepts
    /// nothing more; HTTP/1 answers say `Connection: close`, HTTP/2 connections GOAWAY, and a front
    /// end's connections close with the end of their response. Idle connections are closed after
    /// the [grace period](Self::shutdown_grace), and running requests are finished. At the
    /// [deadline](Self::shutdown_deadline), or at a second signal, what is left is cut. The
    /// [`Outcome`] tells, as does the log. When this has returned, signals do again what they do by
    /// default.
    ///
    /// Cutting a request drops its future. It does not end a call that runs on a blocking thread, and a
    /// runtime that is dropped waits for those, however long: [`block_on`](crate::block_on) does not, and
    /// [`Outcome::time_left`] shows what to do about a runtime of your own.
    ///
    /// Connections that were upgraded (WebSockets) are waited for. When idle connections are closed,
    /// a task that waits for input from an upgraded one reads its end; it can still send, and has until the
    /// deadline to do so. (A stream that was upgraded over HTTP/2 does not hear of it before it is cut.)
    ///
    /// # Errors
    ///
    /// The sockets cannot be used with this runtime, or signals cannot be listened for.
    pub async fn serve<S: HttpService>(self, service: S) -> io::Result<Outcome> {
        let Self {
            listener,
            settings,
            lifetime,
            ..
        } = self;
        let handshake_timeout = settings.timeouts.first_byte.unwrap_or(Duration::MAX);
        let shared = Arc::new(P::share(settings, lifetime.most_connections()));
        let serve = move |handshake: L::Handshake, mut admission: Admission| {
            let (service, shared) = (service.clone(), Arc::clone(&shared));
            async move {
                let shaken = shake_hands(handshake, handshake_timeout, &admission).await;
                if let Some((io, conn)) = shaken
                    && admission.is_for(conn.peer())
                {
                    P::serve::<L, S>(io, conn, service, shared, admission).await;
                }
            }
        };
        lifetime.run(listener, P::NAME, serve).await
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

/// `serve` of each protocol's module.
pub(crate) async fn serve<P: Protocol>(
    sockets: impl ToSockets,
    service: impl HttpService,
) -> io::Result<Outcome> {
    // Binding may announce the address, so listen for signals first.
    let signals = Signals::listen()?;
    let mut server = Server::<P>::on(sockets.to_sockets_or_listenfd()?);
    server.lifetime.signals = Some(signals);
    server.serve(service).await
}

/// Waits for a handshake; `None` if it fails, takes too long, or a shutdown closes idle
/// connections meanwhile.
async fn shake_hands<T>(
    handshake: impl Future<Output = io::Result<T>>,
    timeout: Duration,
    admission: &Admission,
) -> Option<T> {
    let mut watch = admission.shutdown().watch();
    let shaken = tokio::select! {
        biased;
        shaken = tokio::time::timeout(timeout, handshake) => shaken,
        () = watch.reached(Phase::Closing) => return None,
    };
    match shaken {
        Ok(Ok(shaken)) => Some(shaken),
        Ok(Err(error)) => {
            debug!(%error, "handshake failed");
            None
        }
        Err(_) => {
            debug!("handshake took too long");
            None
        }
    }
}

impl<P, L: fmt::Debug> fmt::Debug for Server<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("settings", &self.settings)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
