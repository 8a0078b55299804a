//! Why details are withheld, in words that say what mends it.

use std::{fmt, net::IpAddr};

use super::{Doubt, Owner};

/// Why details are withheld.
///
/// Its text names the cause and the line that shows details all the same, for a body that is read by the
/// developer; the methods it names are those of the exceptions layer and of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The peer is unknown.
    NoPeer,
    /// Nothing names the peer, and it cannot be taken for one at this machine.
    PeerUntold(Doubt),
    /// The request came over a Unix socket.
    UnixPeer,
    /// A proxy layer named the client.
    Proxied,
    /// The peer is neither this machine nor trusted.
    Peer(IpAddr),
    /// The request has a header of this name, or of this beginning, which proxies add.
    Header(&'static str),
    /// The request is HTTP/1.0.
    OldVersion,
    /// Host and authority are not exactly one, and a loopback name or address.
    Host,
    /// This header says that a page of another site asks.
    Site(&'static str),
    /// All else holds, and the owner of the client's end was not looked up: see
    /// [`Facts::look_up`](super::Facts::look_up).
    Unasked,
    /// This program runs as a service's user.
    Service(u32),
    /// The client's end belongs to another user.
    Owner {
        /// Whose it is.
        uid: u32,
        /// The name of that user, where there is one.
        name: Option<String>,
        /// Who runs this program.
        runs_as: Option<u32>,
    },
    /// The system does not say clearly whose the client's end is.
    Unclear(Owner),
}

const TELL_PEER: &str = "With axum: `.layer(FromAxumLayer::new())` of the feature `axum` around all else, and \
     `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`. \
     With your own server: put a `gateway_core::request::ConnInfo` into the request's extensions.";

const DECIDE: &str = "To decide yourself: `.show_details_if(|parts| ..)`.";

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPeer => write!(f, "it is not known who is asking. {TELL_PEER}"),
            Self::PeerUntold(doubt) => {
                write!(f, "it is not known who is asking, and {doubt}. {TELL_PEER}")
            }
            Self::UnixPeer => write!(
                f,
                "the request came over a Unix socket, behind which there may be a proxy. {DECIDE}"
            ),
            Self::Proxied => write!(f, "a proxy layer named the client. {DECIDE}"),
            Self::Peer(peer) => write!(
                f,
                "the peer {peer} is not this machine. To trust it: `.trust_peers(\"{peer}/{}\".parse()?)`.",
                if peer.is_ipv4() { 32 } else { 128 },
            ),
            Self::Header(name) => write!(
                f,
                "the request has a `{name}` header, so it came through a proxy, and who the \
                 client is, the proxy alone knows. Ask the server directly. {DECIDE}",
            ),
            Self::OldVersion => write!(
                f,
                "the request is HTTP/1.0, as a proxy sends that does not say for whom. Ask the \
                 server directly. {DECIDE}",
            ),
            Self::Host => write!(
                f,
                "its Host is not exactly one, localhost or a loopback address, so a page of another \
                 site may be asking. Open it as http://localhost. {DECIDE}",
            ),
            Self::Site(name) => write!(
                f,
                "its `{name}` header says that a page of another site is asking. Open it by its own \
                 address, http://localhost. {DECIDE}",
            ),
            Self::Unasked => write!(
                f,
                "too many ask at once to look up to whom the other end of each connection belongs. \
                 Ask again. {DECIDE}",
            ),
            Self::Service(uid) => write!(
                f,
                "this program runs as user {uid}, a service's, so it is no developer's. {DECIDE}"
            ),
            // Specified to the letter, with its capital: a sentence of its own.
            Self::Owner { uid, name, runs_as } => {
                write!(f, "The other end of this connection belongs to user {uid}")?;
                if let Some(name) = name {
                    write!(f, " ({name})")?;
                }
                if let Some(runs_as) = runs_as {
                    write!(f, ", this program runs as {runs_as}")?;
                }
                write!(
                    f,
                    ": a proxy or another user's client. `.trust_users([{uid}])` shows details to it."
                )
            }
            Self::Unclear(owner) => {
                f.write_str(match owner {
                    Owner::NotFound => {
                        "no socket of this machine is the other end of this connection: the client \
                         is elsewhere, in another network namespace, or gone."
                    }
                    Owner::Closed => "the client has closed its end of this connection.",
                    Owner::Outside => {
                        "the other end of this connection belongs to user 65534: to `nobody`, or to \
                         a user outside this container."
                    }
                    Owner::Several => {
                        "sockets of more than one user have the address and port of the peer."
                    }
                    Owner::Unasked | Owner::Untold | Owner::User { .. } | Owner::Unreadable => {
                        "it cannot be read in /proc to whom the other end of this connection belongs."
                    }
                })?;
                write!(f, " {DECIDE}")
            }
        }
    }
}

impl std::error::Error for Reason {}
