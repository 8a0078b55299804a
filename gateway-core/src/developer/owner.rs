//! Both ends of a connection, and the owner of the client's.

use std::net::SocketAddr;

use crate::request::Addr;

/// The owner of the client's end of a connection, as far as the system says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// Not looked up.
    Unasked,
    /// Nothing that this system could say would be evidence: it is not Linux, or its relays hold the
    /// ends of all connections (WSL).
    Untold,
    /// To this user.
    User {
        /// The user's number.
        uid: u32,
        /// The user's name, where there is one.
        name: Option<String>,
    },
    /// No socket of this machine is it.
    NotFound,
    /// To no process any more.
    Closed,
    /// To `nobody`, or to a user outside the present user namespace.
    Outside,
    /// Sockets of more than one user have the peer's address and port.
    Several,
    /// The system does not let us look.
    Unreadable,
}

/// `nobody`, and what the kernel says in place of a user that the present user namespace has no number for.
pub(super) const NOBODY: u32 = 65_534;

/// Both ends of the connection, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
}

impl Ends {
    pub(super) const UNKNOWN: Self = Self {
        peer: None,
        local: None,
    };

    pub(super) fn new(peer: &Addr, local: &Addr) -> Self {
        Self {
            peer: end(peer),
            local: end(local),
        }
    }
}

/// An end by which a socket can be found: it has an address and a port.
fn end(addr: &Addr) -> Option<SocketAddr> {
    let (ip, port) = (addr.ip()?, addr.port()?);
    (port != 0 && !ip.is_unspecified()).then(|| SocketAddr::new(ip, port))
}
