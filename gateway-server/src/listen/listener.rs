use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use gateway_core::body::FileRange;
use gateway_core::request::{Addr, ConnInfo};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Where connections come from.
///
/// [`Sockets`](crate::Sockets) is the one to start from: TCP, Unix sockets, and sockets handed
/// over by systemd. Implement this for what those cannot be, such as TLS: accept from `Sockets`,
/// and wrap the stream in the handshake.
///
/// ```
/// use std::io;
/// use gateway_server::{Listener, Sockets, Stream};
/// use gateway_core::request::{Addr, ConnInfo};
///
/// /// Refuses clients that are not on this machine.
/// struct LocalOnly(Sockets);
///
/// impl Listener for LocalOnly {
///     type Io = Stream;
///     type Handshake = std::future::Ready<io::Result<(Stream, ConnInfo)>>;
///
///     async fn accept(&mut self) -> io::Result<Self::Handshake> {
///         loop {
///             let (stream, conn) = self.0.accept().await?.await?;
///             if conn.peer().is_loopback() {
///                 return Ok(std::future::ready(Ok((stream, conn))));
///             }
///         }
///     }
///
///     fn local_addr(&self) -> io::Result<Addr> {
///         self.0.local_addr()
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// The stream of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// What is left to do before the stream can be used. It runs in the connection's own task,
    /// under its first-byte timeout, so a slow handshake keeps no other client waiting.
    /// [`Ready`](std::future::Ready) where there is nothing to do.
    type Handshake: Future<Output = io::Result<(Self::Io, ConnInfo)>> + Send + 'static;

    /// Waits for the next connection. Dropping this future before it is ready must lose none.
    ///
    /// # Errors
    ///
    /// Of this connection or of the socket: the server logs it, waits a moment that grows while
    /// errors go on, and asks again.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Handshake>> + Send;

    /// Who is connecting, if that can be said before the handshake: a bound for each client then refuses a connection
    /// without it. Default: not known, and the handshake tells.
    fn peer(_handshake: &Self::Handshake) -> Option<&Addr> {
        None
    }

    /// The server takes `most` connections at a time. Told once, before the first is accepted: a listener
    /// that holds connections which are of no use yet (handshakes) leaves room for others. Default: nothing.
    fn most_connections(&mut self, _most: usize) {}

    /// Nothing more will be accepted than what has come by now. From here on [`accept`](Self::accept)
    /// is asked until it is not ready at once, and then the listener is dropped: what is in the
    /// kernel's queue then, and the runtime has not heard of yet, is reset. Default: nothing.
    fn last_call(&mut self) {}

    /// The address listened on, the first one where there are several.
    ///
    /// # Errors
    ///
    /// The socket has no address.
    fn local_addr(&self) -> io::Result<Addr>;

    /// How many bytes the kernel has taken for `io` that the peer has not acknowledged, if that
    /// can be known. It tells a client that reads slowly from one that has stopped, long before
    /// the send buffer has room again. Default: not known.
    fn unacknowledged(_io: &Self::Io) -> Option<usize> {
        None
    }

    /// Makes the closing of `io` a reset, which no peer can take for the end of what it was sent.
    /// For responses that are cut short in a protocol that has no other way to say so. Default:
    /// nothing.
    fn reset_on_close(_io: &Self::Io) {}

    /// Lets the end of `io` arrive together with what is written to it from now on. For protocols in
    /// which only that says that a connection will not be kept: a peer that learns it a moment after
    /// the end of a response may have sent the next request by then. Default: nothing.
    fn end_with_last_write(_io: &Self::Io) {}

    /// Whether the kernel can send a file to `io` as it is: not where the bytes are encrypted on their way, as
    /// with TLS. Default: it cannot, and files are read.
    fn sends_files(_io: &Self::Io) -> bool {
        false
    }

    /// Writes `head`, and behind it the range. How many bytes of both have been written, as for
    /// [`poll_write`](AsyncWrite::poll_write). Called where [`sends_files`](Self::sends_files) says that it can be. Default:
    /// an error.
    ///
    /// # Errors
    ///
    /// Those of the socket and of the file; [`io::ErrorKind::UnexpectedEof`] where the file has become shorter.
    fn poll_send_file(
        _io: &mut Self::Io,
        _cx: &mut Context<'_>,
        _head: &[u8],
        _range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// A handshake as a type that has a name, for a [`Listener`] around another one.
///
/// Boxed once a connection, which is then served for long.
pub struct BoxHandshake<T> {
    peer: Option<Addr>,
    shaken: Pin<Box<Shaking<T>>>,
}

type Shaking<T> = dyn Future<Output = io::Result<(T, ConnInfo)>> + Send;

impl<T> BoxHandshake<T> {
    /// `shaken` of a connection from `peer`, if that is [known](Listener::peer) before.
    pub fn new(
        peer: Option<Addr>,
        shaken: impl Future<Output = io::Result<(T, ConnInfo)>> + Send + 'static,
    ) -> Self {
        Self {
            peer,
            shaken: Box::pin(shaken),
        }
    }

    /// For [`Listener::peer`].
    #[must_use]
    pub fn peer(&self) -> Option<&Addr> {
        self.peer.as_ref()
    }
}

impl<T> Future for BoxHandshake<T> {
    type Output = io::Result<(T, ConnInfo)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.shaken.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for BoxHandshake<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxHandshake")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "http")]
type SendFile<T> = fn(&mut T, &mut Context<'_>, &[u8], &FileRange) -> Poll<io::Result<usize>>;

/// What only a [`Listener`] can do with its streams.
#[derive(Debug)]
#[cfg(any(feature = "http", feature = "_wire"))]
pub(crate) struct StreamOptions<T> {
    /// See [`Listener::unacknowledged`].
    #[cfg(feature = "http")]
    pub(crate) unacknowledged: fn(&T) -> Option<usize>,
    /// See [`Listener::sends_files`].
    #[cfg(feature = "http")]
    pub(crate) sends_files: fn(&T) -> bool,
    /// See [`Listener::poll_send_file`].
    #[cfg(feature = "http")]
    pub(crate) poll_send_file: SendFile<T>,
    /// See [`Listener::reset_on_close`].
    pub(crate) reset_on_close: fn(&T),
    /// See [`Listener::end_with_last_write`].
    #[cfg(feature = "_wire")]
    pub(crate) end_with_last_write: fn(&T),
}

#[cfg(any(feature = "http", feature = "_wire"))]
impl<T> StreamOptions<T> {
    pub(crate) fn of<L: Listener<Io = T>>() -> Self {
        Self {
            #[cfg(feature = "http")]
            unacknowledged: L::unacknowledged,
            #[cfg(feature = "http")]
            sends_files: L::sends_files,
            #[cfg(feature = "http")]
            poll_send_file: L::poll_send_file,
            reset_on_close: L::reset_on_close,
            #[cfg(feature = "_wire")]
            end_with_last_write: L::end_with_last_write,
        }
    }

    /// Those of a stream that came from no listener.
    pub(crate) fn none() -> Self {
        Self {
            #[cfg(feature = "http")]
            unacknowledged: |_| None,
            #[cfg(feature = "http")]
            sends_files: |_| false,
            #[cfg(feature = "http")]
            poll_send_file: |_, _, _, _| Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            reset_on_close: |_| {},
            #[cfg(feature = "_wire")]
            end_with_last_write: |_| {},
        }
    }
}

/// Two listeners that are served as one.
#[derive(Debug)]
pub struct Both<L, M> {
    first: L,
    second: M,
    // Which listener to poll first, so that neither starves the other.
    second_first: bool,
}

impl<L, M> Both<L, M> {
    pub(crate) fn new(first: L, second: M) -> Self {
        Self {
            first,
            second,
            second_first: false,
        }
    }
}

impl<L: Listener, M: Listener> Listener for Both<L, M> {
    type Io = Either<L::Io, M::Io>;
    type Handshake = EitherHandshake<L::Handshake, M::Handshake>;

    async fn accept(&mut self) -> io::Result<Self::Handshake> {
        self.second_first = !self.second_first;
        let first = async {
            self.first
                .accept()
                .await
                .map(|first| EitherHandshake::First { first })
        };
        let second = async {
            self.second
                .accept()
                .await
                .map(|second| EitherHandshake::Second { second })
        };
        if self.second_first {
            tokio::select! { biased; accepted = second => accepted, accepted = first => accepted }
        } else {
            tokio::select! { biased; accepted = first => accepted, accepted = second => accepted }
        }
    }

    fn peer(handshake: &Self::Handshake) -> Option<&Addr> {
        match handshake {
            EitherHandshake::First { first } => L::peer(first),
            EitherHandshake::Second { second } => M::peer(second),
        }
    }

    fn most_connections(&mut self, most: usize) {
        self.first.most_connections(most);
        self.second.most_connections(most);
    }

    fn last_call(&mut self) {
        self.first.last_call();
        self.second.last_call();
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.first
            .local_addr()
            .or_else(|_| self.second.local_addr())
    }

    fn unacknowledged(io: &Self::Io) -> Option<usize> {
        match io {
            Either::First(io) => L::unacknowledged(io),
            Either::Second(io) => M::unacknowledged(io),
        }
    }

    fn reset_on_close(io: &Self::Io) {
        match io {
            Either::First(io) => L::reset_on_close(io),
            Either::Second(io) => M::reset_on_close(io),
        }
    }

    fn end_with_last_write(io: &Self::Io) {
        match io {
            Either::First(io) => L::end_with_last_write(io),
            Either::Second(io) => M::end_with_last_write(io),
        }
    }

    fn sends_files(io: &Self::Io) -> bool {
        match io {
            Either::First(io) => L::sends_files(io),
            Either::Second(io) => M::sends_files(io),
        }
    }

    fn poll_send_file(
        io: &mut Self::Io,
        cx: &mut Context<'_>,
        head: &[u8],
        range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        match io {
            Either::First(io) => L::poll_send_file(io, cx, head, range),
            Either::Second(io) => M::poll_send_file(io, cx, head, range),
        }
    }
}

pin_project! {
    /// The handshake of a connection from [`Both`].
    #[project = EitherHandshakeProj]
    #[derive(Debug)]
    #[expect(missing_docs, reason = "the variants say it")]
    pub enum EitherHandshake<F, G> {
        First { #[pin] first: F },
        Second { #[pin] second: G },
    }
}

impl<F, G, T, U> Future for EitherHandshake<F, G>
where
    F: Future<Output = io::Result<(T, ConnInfo)>>,
    G: Future<Output = io::Result<(U, ConnInfo)>>,
{
    type Output = io::Result<(Either<T, U>, ConnInfo)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            EitherHandshakeProj::First { first } => first
                .poll(cx)
                .map_ok(|(io, conn)| (Either::First(io), conn)),
            EitherHandshakeProj::Second { second } => second
                .poll(cx)
                .map_ok(|(io, conn)| (Either::Second(io), conn)),
        }
    }
}

/// The stream of a connection from [`Both`].
#[derive(Debug)]
pub enum Either<T, U> {
    /// Of the first listener.
    First(T),
    /// Of the second listener.
    Second(U),
}

/// Calls the method of whichever stream it is.
macro_rules! either {
    ($stream:expr, $method:ident $(, $argument:expr)*) => {
        match $stream.get_mut() {
            Either::First(stream) => Pin::new(stream).$method($($argument),*),
            Either::Second(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl<T: AsyncRead + Unpin, U: AsyncRead + Unpin> AsyncRead for Either<T, U> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read, cx, buf)
    }
}

impl<T: AsyncWrite + Unpin, U: AsyncWrite + Unpin> AsyncWrite for Either<T, U> {
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
        match self {
            Self::First(stream) => stream.is_write_vectored(),
            Self::Second(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown, cx)
    }
}
