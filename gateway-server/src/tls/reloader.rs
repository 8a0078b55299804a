use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use super::config::Config;
use super::current::Current;

/// Changes the certificates of a server that runs. Connections that are open stay as they are.
#[derive(Clone, Debug)]
pub struct Reloader {
    current: Arc<Current>,
}

impl Reloader {
    pub(super) fn new(current: Arc<Current>) -> Self {
        Self { current }
    }

    /// Reads the files again, for new connections. Blocks meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Tls::files`](super::Tls::files): all stays as it was. [`Unsupported`](io::ErrorKind::Unsupported)
    /// where the configuration is the program's own.
    pub fn reload(&self) -> io::Result<()> {
        self.current.reload()
    }

    /// Takes this configuration for new connections, as [`Tls::own`](super::Tls::own) does. One from files is
    /// forgotten until they change.
    pub fn replace(&self, config: impl Into<Arc<ServerConfig>>) {
        self.current.replace(Config::own(config.into()));
    }
}
