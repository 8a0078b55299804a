use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_core::body::FileRange;
use gateway_core::request::{Addr, ConnInfo};
use http::uri::Scheme;
use ipnet::IpNet;
use tokio::time::timeout;
use tracing::warn;

use super::header::{self, Said};
use crate::{BoxHandshake, Listener};

/// Believes the PROXY headers of named peers, on the connections of `L`. See the [module](crate::proxy_protocol).
///
/// Peers of no name are refused, and so is everyone before one is named.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProxyProtocol<L> {
    listener: L,
    config: Arc<Config>,
}

#[derive(Clone, Debug)]
struct Config {
    nets: Vec<IpNet>,
    sockets: Vec<PathBuf>,
    others: OtherPeers,
    timeout: Duration,
}

/// What becomes of a connection from a peer that was not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherPeers {
    /// It is closed.
    #[default]
    Refused,
    /// It is a client's own. A header that it sends is not believed, and is no HTTP.
    Plain,
}

impl<L: Listener> ProxyProtocol<L> {
    /// Around `listener`: [`Sockets`](crate::Sockets). TLS goes around this, as the header comes before the handshake.
    pub fn new(listener: L) -> Self {
        Self {
            listener,
            config: Arc::new(Config {
                nets: Vec::new(),
                sockets: Vec::new(),
                others: OtherPeers::default(),
                timeout: Duration::from_secs(5),
            }),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Believes the balancers of this net; `10.0.0.7/32` is one. They have to send a header. May be called more than
    /// once. Default: none.
    pub fn trust_peers(self, net: IpNet) -> Self {
        self.change(|config| config.nets.push(net))
    }

    /// Believes every peer that connects to our Unix socket at `path`: its permissions say who can. May be called more than
    /// once. Default: none.
    pub fn trust_unix(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.change(|config| config.sockets.push(path))
    }

    /// What becomes of peers that were not named. Default: [`OtherPeers::Refused`].
    pub fn other_peers(self, others: OtherPeers) -> Self {
        self.change(|config| config.others = others)
    }

    /// How long a header may take. Default: 5 seconds.
    pub fn header_timeout(self, timeout: Duration) -> Self {
        self.change(|config| config.timeout = timeout)
    }
}

impl Config {
    fn trusts(&self, peer: &Addr, local: Option<&Path>) -> bool {
        match peer.ip() {
            Some(ip) => self.nets.iter().any(|net| net.contains(&ip)),
            None => local.is_some_and(|local| self.sockets.iter().any(|path| path == local)),
        }
    }

    /// Who the connection is from, once its header is read.
    async fn shake_hands<L: Listener>(
        &self,
        mut io: L::Io,
        conn: ConnInfo,
    ) -> io::Result<(L::Io, ConnInfo)> {
        let peer = conn.peer().clone();
        if !self.trusts(&peer, conn.local().path()) {
            return match self.others {
                OtherPeers::Plain => Ok((io, conn)),
                OtherPeers::Refused => Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("{peer} is not trusted with a PROXY header"),
                )),
            };
        }
        let read = timeout(self.timeout, header::read(&mut io)).await;
        let said = read.unwrap_or_else(|_| {
            let text = "the PROXY header took too long";
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        });
        match said {
            Ok(said) => Ok((io, believe(&conn, said))),
            Err(error) => {
                warn!(%peer, %error, "connection closed: a peer that was named sent no PROXY header");
                Err(error)
            }
        }
    }
}

fn believe(conn: &ConnInfo, said: Said) -> ConnInfo {
    let scheme = if said.is_tls {
        Scheme::HTTPS
    } else {
        conn.scheme().clone()
    };
    let peer = conn.peer().clone();
    let (client, local) = said
        .addrs
        // The balancer for itself. It is a proxy all the same: what it forwards need not be its own.
        .unwrap_or_else(|| (peer.clone(), conn.local().clone()));
    ConnInfo::new(peer, local)
        .with_scheme(scheme)
        .on_behalf_of(client)
}

impl<L: Listener> Listener for ProxyProtocol<L> {
    type Io = L::Io;
    type Handshake = BoxHandshake<L::Io>;

    async fn accept(&mut self) -> io::Result<Self::Handshake> {
        let handshake = self.listener.accept().await?;
        let config = Arc::clone(&self.config);
        // Of a balancer the peer says nothing of the client.
        let peer = L::peer(&handshake)
            .filter(|peer| peer.ip().is_some() && !config.trusts(peer, None))
            .cloned();
        Ok(BoxHandshake::new(peer, async move {
            let (io, conn) = handshake.await?;
            config.shake_hands::<L>(io, conn).await
        }))
    }

    fn peer(handshake: &Self::Handshake) -> Option<&Addr> {
        handshake.peer()
    }

    fn most_connections(&mut self, most: usize) {
        self.listener.most_connections(most);
    }

    fn last_call(&mut self) {
        self.listener.last_call();
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.listener.local_addr()
    }

    fn unacknowledged(io: &Self::Io) -> Option<usize> {
        L::unacknowledged(io)
    }

    fn reset_on_close(io: &Self::Io) {
        L::reset_on_close(io);
    }

    fn end_with_last_write(io: &Self::Io) {
        L::end_with_last_write(io);
    }

    fn sends_files(io: &Self::Io) -> bool {
        L::sends_files(io)
    }

    fn poll_send_file(
        io: &mut Self::Io,
        cx: &mut Context<'_>,
        head: &[u8],
        range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        L::poll_send_file(io, cx, head, range)
    }
}
