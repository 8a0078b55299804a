use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::Sockets;

/// What a server behind a front end can be told to listen on, in one word.
///
/// | value | listens on |
/// |---|---|
/// | `"127.0.0.1:9000"`, `"[::1]:9000"`, `"localhost:9000"`, a [`SocketAddr`] | TCP |
/// | `"/run/app.sock"`, `"unix:/run/app.sock"`, a [`Path`] | a Unix socket, mode 0o660 |
/// | [`Sockets`] | whatever they are: other modes, several at once, handed over |
pub trait ToSockets {
    /// Binds it.
    ///
    /// # Errors
    ///
    /// As [`Sockets::and_bind`] and [`Sockets::and_unix`].
    fn to_sockets(self) -> io::Result<Sockets>;
}

/// The front end, mostly of the same group, must be able to write; strangers must not.
const MODE: u32 = 0o660;

impl ToSockets for &str {
    fn to_sockets(self) -> io::Result<Sockets> {
        match self.strip_prefix("unix:") {
            Some(path) => Path::new(path).to_sockets(),
            None if self.starts_with(['/', '.']) => Path::new(self).to_sockets(),
            None => Sockets::bind(self),
        }
    }
}

impl ToSockets for String {
    fn to_sockets(self) -> io::Result<Sockets> {
        self.as_str().to_sockets()
    }
}

impl ToSockets for SocketAddr {
    fn to_sockets(self) -> io::Result<Sockets> {
        Sockets::bind(self)
    }
}

impl ToSockets for &Path {
    #[cfg(unix)]
    fn to_sockets(self) -> io::Result<Sockets> {
        Sockets::new().and_unix(self, MODE)
    }

    #[cfg(not(unix))]
    fn to_sockets(self) -> io::Result<Sockets> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "Unix sockets"))
    }
}

impl ToSockets for Sockets {
    fn to_sockets(self) -> io::Result<Sockets> {
        Ok(self)
    }
}
