use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use crate::Sockets;

/// What a server can be told to listen on, in one word.
///
/// | value | listens on |
/// |---|---|
/// | `"127.0.0.1:9000"`, `"[::1]:9000"`, `"localhost:9000"`, a [`SocketAddr`], `("127.0.0.1", 9000)` | TCP |
/// | `"/run/app.sock"`, `"unix:/run/app.sock"`, a [`Path`] | a Unix socket, mode 0o660 |
/// | [`Sockets`] | whatever they are: other modes, several at once, handed over |
/// | a closure that returns `io::Result<Sockets>` | those that it makes, when it is time: so a program can announce them |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a server can listen on",
    label = "no address, no path, and no `Sockets`",
    note = "an address is `\"127.0.0.1:8080\"`, `(\"127.0.0.1\", 8080)` or a `SocketAddr`, a Unix socket \
            `\"/run/app.sock\"`; several are `Sockets::bind(..)?.and_unix(..)?`"
)]
pub trait ToSockets {
    /// Binds it.
    ///
    /// # Errors
    ///
    /// As [`Sockets::and_bind`] and [`Sockets::and_unix`].
    fn to_sockets(self) -> io::Result<Sockets>;

    /// The sockets this process was started with (`LISTEN_FDS`: systemd, systemfd) in its place, if there are some.
    /// [`Sockets`] keep their place: the program has made those itself.
    ///
    /// # Errors
    ///
    /// Those of [`Sockets::and_listenfd`] but `NotFound`, or of [`to_sockets`](Self::to_sockets).
    fn to_sockets_or_listenfd(self) -> io::Result<Sockets>
    where
        Self: Sized,
    {
        match Sockets::new().and_listenfd() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.to_sockets(),
            other => other,
        }
    }
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

impl ToSockets for &String {
    fn to_sockets(self) -> io::Result<Sockets> {
        self.as_str().to_sockets()
    }
}

impl ToSockets for SocketAddr {
    fn to_sockets(self) -> io::Result<Sockets> {
        Sockets::bind(self)
    }
}

impl<H> ToSockets for (H, u16)
where
    (H, u16): ToSocketAddrs,
{
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

impl ToSockets for PathBuf {
    fn to_sockets(self) -> io::Result<Sockets> {
        self.as_path().to_sockets()
    }
}

impl ToSockets for Sockets {
    fn to_sockets(self) -> io::Result<Sockets> {
        Ok(self)
    }

    fn to_sockets_or_listenfd(self) -> io::Result<Sockets> {
        Ok(self)
    }
}

impl<F: FnOnce() -> io::Result<Sockets>> ToSockets for F {
    fn to_sockets(self) -> io::Result<Sockets> {
        self()
    }
}
