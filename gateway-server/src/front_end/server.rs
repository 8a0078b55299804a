//! A server behind a front end: what FastCGI and SCGI have in common is all but the protocol.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use gateway_core::paths::{InvalidPrefix, Prefix};
use gateway_core::request::ConnInfo;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::warn;

use super::wire::codec::Codec;
use super::wire::connection::Connection;
use crate::HttpService;
use crate::listen::accept::Admission;
use crate::listen::listener::{Listener, StreamOptions};
use crate::server::{Protocol, Server};
use crate::settings::{Settings, Timeouts};
use crate::shutdown::Shutdown;

/// A protocol that a front end speaks.
pub(crate) trait FrontEnd: Send + 'static {
    type Codec: Codec + Send + 'static;
    const NAME: &'static str;

    fn codec(settings: &Settings, most_connections: usize) -> Self::Codec;
}

/// What the connections of one server share.
#[derive(Debug)]
pub(crate) struct Shared {
    settings: Arc<Settings>,
    most_connections: usize,
}

impl<F: FrontEnd> Protocol for F {
    const NAME: &'static str = F::NAME;

    /// The peer is a front end, not a stranger: it keeps idle connections in a pool of its own, and
    /// closing one that it is about to use costs a request. So connections may be idle for ever.
    const DEFAULTS: Settings = Settings {
        timeouts: Timeouts {
            idle: None,
            ..Settings::DEFAULTS.timeouts
        },
        head_bytes: 128 * 1024,
        ..Settings::DEFAULTS
    };

    type Shared = Shared;

    fn share(settings: Settings, most_connections: usize) -> Shared {
        Shared {
            settings: Arc::new(settings),
            most_connections,
        }
    }

    async fn serve<L: Listener, S: HttpService>(
        io: L::Io,
        conn: ConnInfo,
        service: S,
        shared: Arc<Shared>,
        admission: Admission,
    ) {
        let peer = conn.peer();
        let settings = &shared.settings;
        let known = settings.peers.as_deref();
        if known.is_some_and(|known| peer.ip().is_none_or(|ip| !known.contains(&ip))) {
            return warn!(%peer, "not one of FCGI_WEB_SERVER_ADDRS");
        }
        let codec = F::codec(settings, shared.most_connections);
        let watch = admission.shutdown().watch();
        let options = StreamOptions::of::<L>();
        Connection::new(io, codec, service, Arc::clone(settings), options, watch).await;
        if admission.is_cut() {
            warn!(%peer, "connection cut");
            if let Some(state) = &settings.state {
                state.connection_cut();
            }
        }
        // Not before here: a shutdown waits for connections that are still being closed.
        drop(admission);
    }
}

#[expect(private_bounds, reason = "the protocols are those of this crate")]
impl<F: FrontEnd> Server<F> {
    /// Listens on descriptor 0 too, where spawn-fcgi, Apache's mod_fcgid and lighttpd's `bin-path`
    /// put the socket (FCGI_LISTENSOCK_FILENO).
    ///
    /// If FCGI_WEB_SERVER_ADDRS names the addresses of front ends, no other peer is served.
    ///
    /// # Errors
    ///
    /// As [`Sockets::and_stdin`](crate::Sockets::and_stdin).
    #[cfg(unix)]
    pub fn and_stdin(mut self) -> io::Result<Self> {
        self.listener = self.listener.and_stdin()?;
        self.settings.peers = front_ends(std::env::var("FCGI_WEB_SERVER_ADDRS").ok().as_deref());
        Ok(self)
    }
}

#[expect(private_bounds, reason = "the protocols are those of this crate")]
impl<F: FrontEnd, L> Server<F, L> {
    /// Where the application stands, decoded. It overrules SCRIPT_NAME, for front ends that put the
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

    /// Serves one connection that the caller has accepted, until it is closed. All timeouts apply.
    /// No shutdown ends it, and it does not count as one of the server's connections.
    pub fn serve_connection<T, S>(
        &self,
        io: T,
        service: S,
    ) -> impl Future<Output = ()> + use<F, L, T, S>
    where
        T: AsyncRead + AsyncWrite + Unpin,
        S: HttpService,
    {
        let codec = F::codec(&self.settings, self.lifetime.most_connections());
        let settings = Arc::new(self.settings.clone());
        let watch = Shutdown::new().watch();
        Connection::new(io, codec, service, settings, StreamOptions::none(), watch)
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
