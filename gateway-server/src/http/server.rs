use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::request::ConnInfo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Protocols};
use crate::HttpService;
use crate::listen::accept::Admission;
use crate::listen::listener::{Listener, StreamOptions};
use crate::listen::sockets::Sockets;
use crate::server::{self, Protocol};
use crate::settings::Settings;

/// The protocol of [`Server`].
#[derive(Debug)]
pub enum Http {}

/// An HTTP/1.1 and HTTP/2 server.
///
/// Which of the two a connection speaks is told by its first bytes, so both go to the same port.
pub type Server<L = Sockets> = server::Server<Http, L>;

impl Protocol for Http {
    const NAME: &'static str = "HTTP";
    const DEFAULTS: Settings = Settings::DEFAULTS;

    type Shared = Protocols;

    fn share(settings: Settings, _: usize) -> Protocols {
        Protocols::new(settings)
    }

    fn serve<L: Listener, S: HttpService>(
        io: L::Io,
        conn: ConnInfo,
        service: S,
        protocols: Arc<Protocols>,
        admission: Admission,
    ) -> impl Future<Output = ()> + Send {
        let options = StreamOptions::of::<L>();
        Connection::new(io, conn, service, protocols, options, Some(admission))
    }
}

impl<L> server::Server<Http, L> {
    /// How long a new connection may take to its first byte, a TLS handshake included. Default:
    /// 15 seconds. Then it is closed.
    pub fn first_byte_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.first_byte = timeout.into();
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

    /// Serves one connection that the caller has accepted, until it is closed. All timeouts apply.
    /// No shutdown ends it, and it does not count as one of the server's connections.
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
        let protocols = Arc::new(Protocols::new(self.settings.clone()));
        let options = StreamOptions::none();
        Connection::new(io, conn_info, service, protocols, options, None)
    }
}
