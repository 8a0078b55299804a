use std::fmt;
use std::future::{self, Future};
use std::io::{self, IoSlice};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(target_os = "linux")]
use gateway_core::body::FileRange;
use gateway_core::request::{Addr, ConnInfo};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

#[cfg(unix)]
use super::unix::UnixSocket;
use crate::Listener;

/// Connections that the kernel may hold before they are accepted. The kernel lowers it to its own
/// `net.core.somaxconn`, which is 4096 by default.
const BACKLOG: i32 = 4096;

/// Listening sockets: any number of TCP and Unix sockets, bound here or handed over by systemd.
///
/// Nothing is accepted before a server runs, but what is bound holds connections from the start.
/// Making them needs no runtime.
///
/// ```
/// use gateway_server::Sockets;
///
/// let sockets = Sockets::bind("127.0.0.1:0")?;
/// assert!(sockets.local_addrs()[0].is_loopback());
/// # std::io::Result::Ok(())
/// ```
pub struct Sockets {
    bound: Vec<Bound>,
    live: Vec<Live>,
    // The socket to poll first next time, so that a busy one does not starve the others.
    next: usize,
    // As `Listener::last_call`.
    last_call: bool,
    tcp_keepalive: Option<Duration>,
}

/// How long a TCP connection is silent before the kernel asks whether its peer is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The error with what was being done: "Address already in use" alone leaves one asking which.
fn said(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Listening, and not yet known to a runtime.
enum Bound {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

enum Live {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, UnixSocket),
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            bound: Vec::new(),
            live: Vec::new(),
            next: 0,
            last_call: false,
            tcp_keepalive: Some(TCP_KEEPALIVE),
        }
    }
}

impl Sockets {
    /// No socket yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A TCP socket that listens on `addr`.
    ///
    /// # Errors
    ///
    /// See [`and_bind`](Self::and_bind).
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new().and_bind(addr)
    }

    /// Listens on the TCP address `addr` too: the first of its addresses that can be bound. Port 0
    /// lets the kernel choose; [`local_addrs`](Self::local_addrs) tells.
    ///
    /// # Errors
    ///
    /// The name has no address, or none that can be bound; the text says which.
    pub fn and_bind(self, addr: impl ToSocketAddrs) -> io::Result<Self> {
        let addrs = addr
            .to_socket_addrs()
            .map_err(|error| said(&error, "no address to listen on"))?;
        let mut failure = None;
        for addr in addrs {
            match listen(addr) {
                Ok(listener) => return Ok(self.and_tcp(listener)),
                Err(error) => failure = Some(said(&error, &format!("cannot listen on {addr}"))),
            }
        }
        Err(failure.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")
        }))
    }

    /// Listens on a Unix socket at `path` too, with exactly the permissions `mode` (connecting
    /// needs the write bit: `0o660` lets owner and group in).
    ///
    /// A socket that a server left behind is replaced; one that still answers is not. The file is
    /// removed when the server ends, unless another program has taken its place.
    ///
    /// # Errors
    ///
    /// The path is in use by a live server or is not a socket, or it cannot be made.
    #[cfg(unix)]
    pub fn and_unix(mut self, path: impl AsRef<std::path::Path>, mode: u32) -> io::Result<Self> {
        let path = path.as_ref();
        let socket = UnixSocket::bind(path, mode, BACKLOG)
            .map_err(|error| said(&error, &format!("cannot listen on {}", path.display())))?;
        self.bound.push(Bound::Unix(socket));
        Ok(self)
    }

    /// Listens on the sockets that this process was started with too (`LISTEN_FDS`: systemd's
    /// socket activation, systemfd). They can be taken once per process.
    ///
    /// # Errors
    ///
    /// `NotFound` where none were handed over; `InvalidInput` for one that is neither a TCP nor a
    /// Unix stream socket.
    pub fn and_listenfd(mut self) -> io::Result<Self> {
        let mut passed = listenfd::ListenFd::from_env();
        if passed.len() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no sockets were handed over (LISTEN_FDS)",
            ));
        }
        for index in 0..passed.len() {
            self = match adopt(&mut passed, index)? {
                Bound::Tcp(listener) => self.and_tcp(listener),
                #[cfg(unix)]
                unix @ Bound::Unix(_) => {
                    self.bound.push(unix);
                    self
                }
            };
        }
        Ok(self)
    }

    /// Listens on the socket that is this process's standard input too: how spawn-fcgi, Apache's
    /// mod_fcgid and lighttpd start a FastCGI program, and systemd one with `StandardInput=socket`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where descriptor 0 is no listening TCP or Unix stream socket.
    #[cfg(unix)]
    pub fn and_stdin(mut self) -> io::Result<Self> {
        use std::os::fd::AsFd;
        let refused = || {
            let text = "standard input is no listening socket";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let socket = Socket::from(io::stdin().as_fd().try_clone_to_owned()?);
        if !listens(&socket) {
            return Err(refused());
        }
        let domain = socket.local_addr()?.domain();
        if domain == Domain::UNIX {
            let unix = UnixSocket::adopt(socket.into())?;
            self.bound.push(Bound::Unix(unix));
            Ok(self)
        } else if domain == Domain::IPV4 || domain == Domain::IPV6 {
            Ok(self.and_tcp(socket.into()))
        } else {
            Err(refused())
        }
    }

    /// Listens on a TCP socket that the caller has made.
    #[must_use]
    pub fn and_tcp(mut self, listener: std::net::TcpListener) -> Self {
        keep_alive(&listener, self.tcp_keepalive);
        self.bound.push(Bound::Tcp(listener));
        self
    }

    /// How long a TCP connection may be silent before the kernel asks its peer whether it is still there;
    /// after as long again without an answer the connection fails. It finds out peers that vanished without
    /// a word where nothing else does: behind a WebSocket, or a front end that keeps its connections.
    /// `None` leaves each socket as it is. Default: 60 seconds.
    #[must_use]
    pub fn tcp_keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.tcp_keepalive = idle.into();
        for bound in &self.bound {
            if let Bound::Tcp(listener) = bound {
                keep_alive(listener, self.tcp_keepalive);
            }
        }
        self
    }

    /// The addresses listened on, in the order they were added.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<Addr> {
        let live = self.live.iter().map(|live| match live {
            Live::Tcp(listener) => ip(listener.local_addr()),
            #[cfg(unix)]
            Live::Unix(_, socket) => socket.addr(),
        });
        let bound = self.bound.iter().map(|bound| match bound {
            Bound::Tcp(listener) => ip(listener.local_addr()),
            #[cfg(unix)]
            Bound::Unix(socket) => socket.addr(),
        });
        live.chain(bound).collect()
    }

    /// Whether there is no socket at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.bound.is_empty()
    }

    /// Makes what was bound known to the runtime we are polled on.
    fn go_live(&mut self) -> io::Result<()> {
        for bound in self.bound.drain(..) {
            self.live.push(match bound {
                Bound::Tcp(listener) => {
                    listener.set_nonblocking(true)?;
                    Live::Tcp(TcpListener::from_std(listener)?)
                }
                #[cfg(unix)]
                Bound::Unix(socket) => Live::Unix(socket.listener()?, socket),
            });
        }
        Ok(())
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, ConnInfo)>> {
        self.go_live()?;
        let count = self.live.len();
        for turn in 0..count {
            let index = (self.next + turn) % count;
            let Some(live) = self.live.get(index) else {
                continue;
            };
            let mut accepted = live.poll_accept(cx);
            #[cfg(unix)]
            if self.last_call && accepted.is_pending() {
                accepted = live.accept_now();
            }
            if let Poll::Ready(accepted) = accepted {
                self.next = index + 1;
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl Listener for Sockets {
    type Io = Stream;
    type Handshake = Accepted;

    async fn accept(&mut self) -> io::Result<Self::Handshake> {
        let accepted = future::poll_fn(|cx| self.poll_accept(cx)).await?;
        Ok(Accepted(Some(accepted)))
    }

    fn peer(accepted: &Accepted) -> Option<&Addr> {
        accepted.0.as_ref().map(|(_, conn)| conn.peer())
    }

    fn last_call(&mut self) {
        self.last_call = true;
    }

    fn local_addr(&self) -> io::Result<Addr> {
        let first = self.local_addrs().into_iter().next();
        first.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no socket is listened on"))
    }

    fn unacknowledged(io: &Stream) -> Option<usize> {
        io.unacknowledged()
    }

    fn reset_on_close(io: &Stream) {
        io.reset_on_close();
    }

    fn end_with_last_write(io: &Stream) {
        io.end_with_last_write();
    }

    fn sends_files(_: &Stream) -> bool {
        cfg!(target_os = "linux")
    }

    #[cfg(target_os = "linux")]
    fn poll_send_file(
        io: &mut Stream,
        cx: &mut Context<'_>,
        head: &[u8],
        range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        match &io.kind {
            Kind::Tcp(stream) => super::send_file::poll_send_file(stream, cx, head, range),
            Kind::Unix(stream) => super::send_file::poll_send_file(stream, cx, head, range),
        }
    }
}

/// A connection of [`Sockets`]: it has no handshake, so it is ready at once.
#[derive(Debug)]
pub struct Accepted(Option<(Stream, ConnInfo)>);

impl Future for Accepted {
    type Output = io::Result<(Stream, ConnInfo)>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.take() {
            Some(accepted) => Poll::Ready(Ok(accepted)),
            None => Poll::Pending, // polled again after it was ready
        }
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sockets").field(&self.local_addrs()).finish()
    }
}

impl Live {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, ConnInfo)>> {
        match self {
            Self::Tcp(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, peer)| accepted_tcp(stream, peer)),
            #[cfg(unix)]
            Self::Unix(listener, socket) => listener
                .poll_accept(cx)
                .map_ok(|(stream, peer)| accepted_unix(stream, peer.as_pathname(), socket)),
        }
    }

    /// Calls `accept` even if the runtime has reported no event.
    #[cfg(unix)]
    fn accept_now(&self) -> Poll<io::Result<(Stream, ConnInfo)>> {
        let accepted = match self {
            Self::Tcp(listener) => SockRef::from(listener).accept(),
            Self::Unix(listener, _) => SockRef::from(listener).accept(),
        };
        let (stream, peer) = match accepted {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            accepted => accepted?,
        };
        stream.set_nonblocking(true)?;
        Poll::Ready(Ok(match self {
            Self::Tcp(_) => {
                let peer = peer.as_socket().ok_or(io::ErrorKind::ConnectionAborted)?;
                accepted_tcp(TcpStream::from_std(stream.into())?, peer)
            }
            Self::Unix(_, socket) => {
                let stream = tokio::net::UnixStream::from_std(stream.into())?;
                accepted_unix(stream, peer.as_pathname(), socket)
            }
        }))
    }
}

fn accepted_tcp(stream: TcpStream, peer: SocketAddr) -> (Stream, ConnInfo) {
    // Responses are written whole, so waiting for more (Nagle) gains nothing and costs up to 40 ms
    // against a client's delayed acknowledgement. A socket that refuses is gone, which the first
    // read will tell.
    let _ = stream.set_nodelay(true);
    let conn = ConnInfo::new(peer, ip(stream.local_addr()));
    (Stream::tcp(stream), conn)
}

#[cfg(unix)]
fn accepted_unix(
    stream: tokio::net::UnixStream,
    peer: Option<&std::path::Path>,
    socket: &UnixSocket,
) -> (Stream, ConnInfo) {
    let peer = Addr::Unix(peer.map(Into::into));
    (Stream::unix(stream), ConnInfo::new(peer, socket.addr()))
}

fn ip(addr: io::Result<SocketAddr>) -> Addr {
    addr.map_or(Addr::Unknown, Addr::Ip)
}

/// Whether a socket listens. macOS does not tell, so there it is one that has no peer, as FastCGI's
/// specification (2.2) puts it.
#[cfg(unix)]
fn listens(socket: &Socket) -> bool {
    #[cfg(target_vendor = "apple")]
    return socket.local_addr().is_ok() && socket.peer_addr().is_err();
    #[cfg(not(target_vendor = "apple"))]
    socket.is_listener().unwrap_or(false)
}

/// Of a socket that listens: each connection has it from there, at no cost of its own.
fn keep_alive(listener: &std::net::TcpListener, idle: Option<Duration>) {
    let socket = SockRef::from(listener);
    // Serve even if the option cannot be set.
    let _ = match idle {
        // Four questions, in as long as it was silent before the first. Whole seconds, one at least.
        Some(idle) => socket.set_tcp_keepalive(&probes(idle.max(Duration::from_secs(1)))),
        None => Ok(()),
    };
}

#[cfg(target_os = "linux")]
fn probes(idle: Duration) -> TcpKeepalive {
    let interval = (idle / 4).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(idle);
    keepalive.with_interval(interval).with_retries(4)
}

#[cfg(not(target_os = "linux"))]
fn probes(idle: Duration) -> TcpKeepalive {
    TcpKeepalive::new().with_time(idle)
}

fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A server that is started again must not wait for connections of the one before to die out.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn adopt(passed: &mut listenfd::ListenFd, index: usize) -> io::Result<Bound> {
    #[cfg(unix)]
    if let Ok(Some(listener)) = passed.take_unix_listener(index) {
        return Ok(Bound::Unix(UnixSocket::adopt(listener)?));
    }
    let listener = passed.take_tcp_listener(index)?;
    let listener = listener.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    // A connected socket (`Accept=yes`) would fail every accept for ever.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    if !SockRef::from(&listener).is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a socket that was handed over does not listen",
        ));
    }
    Ok(Bound::Tcp(listener))
}

/// A connection accepted by [`Sockets`].
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

impl Stream {
    /// A TCP connection that the caller has accepted.
    #[must_use]
    pub fn tcp(stream: TcpStream) -> Self {
        Self {
            kind: Kind::Tcp(stream),
        }
    }

    /// A Unix socket connection that the caller has accepted.
    #[cfg(unix)]
    #[must_use]
    pub fn unix(stream: tokio::net::UnixStream) -> Self {
        Self {
            kind: Kind::Unix(stream),
        }
    }

    /// As [`Listener::reset_on_close`]: of effect for TCP; Unix sockets have no such thing.
    pub fn reset_on_close(&self) {
        if let Kind::Tcp(stream) = &self.kind {
            // If the option cannot be set, the connection is gone already.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// As [`Listener::end_with_last_write`]: of effect for TCP on Linux.
    pub fn end_with_last_write(&self) {
        // What is not a whole segment waits (tcp(7), TCP_CORK), and leaves with the FIN.
        #[cfg(target_os = "linux")]
        if let Kind::Tcp(stream) = &self.kind {
            let _ = SockRef::from(stream).set_tcp_cork(true);
        }
    }

    /// As [`Listener::unacknowledged`]: known on Linux.
    #[must_use]
    pub fn unacknowledged(&self) -> Option<usize> {
        #[cfg(target_os = "linux")]
        return match &self.kind {
            Kind::Tcp(stream) => super::outq::outq(stream),
            Kind::Unix(stream) => super::outq::outq(stream),
        };
        #[cfg(not(target_os = "linux"))]
        None
    }
}

/// Calls the method of whichever stream it is.
macro_rules! either {
    ($stream:expr, $method:ident, $($argument:expr),*) => {
        match &mut $stream.get_mut().kind {
            Kind::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(unix)]
            Kind::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read, cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write, cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown, cx)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_kept_alive_by_the_kernel_unless_told_otherwise() {
        let bind = || Sockets::bind("127.0.0.1:0").unwrap();
        let unset = None::<Duration>;
        for (mut sockets, expected) in [
            (bind(), Some(TCP_KEEPALIVE)),
            (
                bind().tcp_keepalive(Duration::from_secs(7)),
                Some(Duration::from_secs(7)),
            ),
            (
                Sockets::new()
                    .tcp_keepalive(unset)
                    .and_bind("127.0.0.1:0")
                    .unwrap(),
                None,
            ),
        ] {
            let addr = sockets.local_addrs()[0].clone();
            let Addr::Ip(addr) = addr else { unreachable!() };
            let _client = TcpStream::connect(addr).await.unwrap();
            let (stream, _) = sockets.accept().await.unwrap().await.unwrap();
            let Kind::Tcp(stream) = &stream.kind else {
                unreachable!()
            };
            let socket = SockRef::from(stream);
            let found = socket.keepalive().unwrap();
            let found = found.then(|| socket.tcp_keepalive_time().unwrap());
            assert_eq!(found, expected);
        }
    }
}
