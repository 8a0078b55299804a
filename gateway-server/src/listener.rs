use std::future::Future;
use std::io;

use gateway_core::{Addr, ConnInfo};
use tokio::io::{AsyncRead, AsyncWrite};

/// Where connections come from.
///
/// [`Sockets`](crate::Sockets) is the one to start from: TCP, Unix sockets, and sockets handed
/// over by systemd. Implement this for what those cannot be, such as TLS: accept from `Sockets`,
/// and wrap the stream in the handshake.
///
/// ```
/// use std::io;
/// use gateway_server::{Listener, Sockets, Stream};
/// use gateway_core::{Addr, ConnInfo};
///
/// /// Refuses everybody who is not on this machine.
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
    /// under its first-byte timeout, so a slow handshake keeps nobody else waiting.
    /// [`Ready`](std::future::Ready) where there is nothing to do.
    type Handshake: Future<Output = io::Result<(Self::Io, ConnInfo)>> + Send + 'static;

    /// The next connection. Must lose none when it is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// Of this connection or of the socket: the server logs it, waits a moment that grows while
    /// errors go on, and asks again.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Handshake>> + Send;

    /// The address listened on, the first one where there are several.
    ///
    /// # Errors
    ///
    /// The socket has none to tell.
    fn local_addr(&self) -> io::Result<Addr>;

    /// How many bytes the kernel has taken for `io` that the peer has not acknowledged, if that
    /// can be known. It tells a client that reads slowly from one that has stopped, long before
    /// the send buffer has room again. Default: not known.
    fn unacknowledged(_io: &Self::Io) -> Option<usize> {
        None
    }
}
