//! Why a peer that nothing names cannot be taken for one at this machine.

use std::{fmt, net::SocketAddr};

use super::Owner;

/// Why a request whose peer nothing names may come from elsewhere: by what Linux says of this process's sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// No TCP socket of this process listens.
    NoListener,
    /// A TCP socket of this process listens there, and that is no loopback address.
    Listener(SocketAddr),
    /// A Unix socket of this process listens.
    UnixListener,
    /// This process has a socket that no table lists: of another kind, or of another network namespace.
    Unlisted,
    /// No connection to this process is open.
    NoConnection,
    /// The client's end of a connection to this process belongs to another user.
    Owner {
        /// Whose it is.
        uid: u32,
        /// The name of that user, where there is one.
        name: Option<String>,
        /// Who runs this program.
        runs_as: u32,
    },
    /// The system does not say clearly whose the client's end of a connection to this process is.
    Unclear(Owner),
    /// The system does not let us look.
    Unreadable,
}

/// The second half of a sentence that begins with "it is not known who is asking, and".
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("no TCP socket of this program listens"),
            Self::Listener(addr) => write!(
                f,
                "this program listens at {addr}, which is no loopback address"
            ),
            Self::UnixListener => f.write_str(
                "this program listens on a Unix socket as well, behind which there may be a proxy",
            ),
            Self::Unlisted => f.write_str(
                "this program has a socket that /proc/net does not list: of another kind than TCP, UDP and Unix, \
                 of another network namespace, or about to be connected",
            ),
            Self::NoConnection => f.write_str("no connection to this program is open"),
            Self::Owner { uid, name, runs_as } => {
                write!(
                    f,
                    "the other end of a connection to this program belongs to user {uid}"
                )?;
                if let Some(name) = name {
                    write!(f, " ({name})")?;
                }
                write!(
                    f,
                    ", while it runs as {runs_as}: a proxy or another user's client \
                     (`.trust_users([{uid}])` shows details to it)"
                )
            }
            Self::Unclear(Owner::Outside) => f.write_str(
                "the other end of a connection to this program belongs to user 65534: to `nobody`, or to a user \
                 outside this container",
            ),
            Self::Unclear(_) => f.write_str(
                "no socket of this machine is the other end of a connection to this program: the client is \
                 elsewhere, or in another network namespace",
            ),
            Self::Unreadable => f.write_str(
                "it cannot be read in /proc where this program listens and whose its clients are",
            ),
        }
    }
}
