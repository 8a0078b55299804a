//! What is known of a request and of its client: parsed once, into what can be judged.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Request, Version, header, request::Parts};

use super::{
    doubt::Doubt,
    host::Host,
    owner::{Ends, Owner},
    proxies,
};
use crate::RequestExt as _;
use crate::request::Addr;

/// What [`judge`](super::judge) decides by. Owns what it needs: it may outlive the request.
#[derive(Clone, Debug)]
pub struct Facts {
    pub(super) peer: Peer,
    pub(super) trusted_peer: bool,
    pub(super) trusted_users: Arc<[u32]>,
    pub(super) version: Version,
    pub(super) proxy_header: Option<&'static str>,
    pub(super) host: Host,
    pub(super) site: Site,
    pub(super) runs_as: Option<u32>,
    pub(super) owner: Owner,
    /// `None`: not looked up.
    pub(super) clients: Option<Box<Result<(), Doubt>>>,
    ends: Ends,
}

/// Who sent the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Unknown,
    /// Nothing says anything of the connection.
    Untold,
    Unix,
    /// A proxy layer named the client: the connection is the proxy's.
    Proxied,
    Ip(IpAddr),
}

/// Whose page asks, as far as browsers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// No page's, or one of the host that was asked.
    Own,
    /// By this header.
    Foreign(&'static str),
}

impl Facts {
    /// The facts of a request that came over the [`ConnInfo`](crate::request::ConnInfo) in its extensions.
    ///
    /// No peer and no user is trusted yet, and the owner is not looked up.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let (peer, ends) = connection(parts);
        let host = Host::asked(&parts.uri, &parts.headers);
        Self {
            peer,
            trusted_peer: false,
            trusted_users: Arc::new([]),
            version: parts.version,
            proxy_header: proxies::header(&parts.headers),
            host,
            site: Site::of(&parts.headers, host),
            runs_as: None,
            owner: Owner::Unasked,
            clients: None,
            ends,
        }
    }

    /// With this peer in place of the one that the extensions name.
    ///
    /// An address that is not the connection's has no port by which its owner could be looked up.
    #[must_use]
    pub fn with_peer(mut self, peer: Option<IpAddr>) -> Self {
        let peer = peer.map(|ip| ip.to_canonical());
        self.peer = peer.map_or(Peer::Unknown, Peer::Ip);
        if self.ends.peer.map(|addr| addr.ip()) != peer {
            self.ends = Ends::UNKNOWN;
        }
        self
    }

    /// The address of the peer, if it has one.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        match self.peer {
            Peer::Ip(ip) => Some(ip),
            Peer::Unknown | Peer::Untold | Peer::Unix | Peer::Proxied => None,
        }
    }

    /// With a peer that the program trusts: it may be another machine, ask for any address as Host, and
    /// any user may hold its end.
    #[must_use]
    pub fn with_trusted_peer(mut self) -> Self {
        self.trusted_peer = true;
        self
    }

    /// With users who may own the client's end of the connection, besides the one who runs this program.
    #[must_use]
    pub fn with_trusted_users(mut self, users: Arc<[u32]>) -> Self {
        self.trusted_users = users;
        self
    }

    /// With the user who runs this program (`None` where that is not asked) and the owner of the client's
    /// end, as if they had been looked up.
    #[must_use]
    pub fn with_owner(mut self, runs_as: Option<u32>, owner: Owner) -> Self {
        self.runs_as = runs_as;
        self.owner = owner;
        self
    }

    /// With the user who runs this program, and whether all clients of this process are his, as if that had been looked
    /// up. Counts where nothing names the peer.
    #[must_use]
    pub fn with_clients(mut self, runs_as: Option<u32>, clients: Result<(), Doubt>) -> Self {
        self.runs_as = runs_as;
        self.clients = Some(Box::new(clients));
        self
    }

    /// Looks up who runs this program and who owns the client's end of the connection; or, where nothing names the peer,
    /// where this process listens and who owns all its clients' ends.
    ///
    /// Reads files of `/proc`, which takes from microseconds to some milliseconds where there are tens of
    /// thousands of sockets: call it on a thread that may block, while the connection is open, and only where
    /// [`judge`](super::judge) says [`Reason::Unasked`](super::Reason::Unasked). On systems other than
    /// Linux it does nothing, and the owner does not count.
    #[must_use]
    pub fn look_up(self) -> Self {
        #[cfg(target_os = "linux")]
        if self.peer == Peer::Untold {
            let runs_as = super::sockets::runs_as();
            let clients = match runs_as {
                Some(uid) => super::clients::look_up(uid, &self.trusted_users),
                None => Err(Doubt::Unreadable),
            };
            return self.with_clients(runs_as, clients);
        }
        let (runs_as, owner) = self.looked_up();
        self.with_owner(runs_as, owner)
    }

    #[cfg(target_os = "linux")]
    fn looked_up(&self) -> (Option<u32>, Owner) {
        let Some(runs_as) = super::sockets::runs_as() else {
            return (None, Owner::Unreadable);
        };
        // Of another machine's sockets nothing is known here.
        let owner = if self.trusted_peer || super::sockets::is_relayed() {
            Owner::Untold
        } else {
            super::sockets::look_up(self.ends, runs_as)
        };
        (Some(runs_as), owner)
    }

    #[cfg(not(target_os = "linux"))]
    fn looked_up(&self) -> (Option<u32>, Owner) {
        (None, Owner::Untold)
    }
}

/// A copy of the head of a request: what closures of programs judge by is [`Parts`].
#[must_use]
pub fn head_of<B>(request: &Request<B>) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method.clone_from(request.method());
    parts.uri.clone_from(request.uri());
    parts.version = request.version();
    parts.headers.clone_from(request.headers());
    parts.extensions.clone_from(request.extensions());
    parts
}

fn connection(parts: &Parts) -> (Peer, Ends) {
    if let Some(conn) = parts.conn() {
        // The client that a proxy names has no socket that we could ask about.
        if conn.proxy().is_some() {
            return (Peer::Proxied, Ends::UNKNOWN);
        }
        match conn.peer() {
            Addr::Unix(_) => return (Peer::Unix, Ends::UNKNOWN),
            Addr::Ip(addr) => {
                let peer = Peer::Ip(addr.ip().to_canonical());
                return (peer, Ends::new(conn.peer(), conn.local()));
            }
            Addr::Unknown => return (Peer::Unknown, Ends::UNKNOWN),
        }
    }
    (Peer::Untold, Ends::UNKNOWN)
}

impl Site {
    /// A CORS layer further out may let pages of other sites read what they are answered. They name
    /// themselves: by Origin (RFC 6454 section 7), or as cross-site (Fetch Metadata section 2.4).
    fn of(headers: &HeaderMap, asked: Host) -> Self {
        let mut sites = headers.get_all("sec-fetch-site").iter();
        if !sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"same-site" | b"none")) {
            return Self::Foreign("sec-fetch-site");
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let is_own = |origin: &http::HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            let authority = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            // Another port is the same site: the development server of a front end.
            authority.is_some_and(|authority| match Host::of(authority) {
                Host::Other => false,
                host => host == asked,
            })
        };
        match (origins.next(), origins.next()) {
            (None, _) => Self::Own,
            (Some(origin), None) if is_own(origin) => Self::Own,
            (Some(_), _) => Self::Foreign("origin"),
        }
    }
}
