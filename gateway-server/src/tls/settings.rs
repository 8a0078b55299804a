use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::request::ClientCertificate;
use tokio_rustls::rustls::ServerConfig;

use super::current::Current;
use super::files::PemFiles;
use super::reloader::Reloader;

/// Who the server is to its clients over TLS, and how long they may take to find out.
///
/// ```no_run
/// use gateway_server::http::Server;
/// use gateway_server::tls::Tls;
///
/// # async fn example(service: axum::Router) -> std::io::Result<()> {
/// let tls = Tls::pem("/etc/ssl/example.org/fullchain.pem", "/etc/ssl/example.org/privkey.pem")?;
/// Server::bind("[::]:443")?.tls(tls).serve(service).await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Tls {
    pub(super) current: Arc<Current>,
    pub(super) handshake_timeout: Duration,
    pub(super) max_handshakes: usize,
    pub(super) remote_user: Option<RemoteUser>,
}

pub(super) type RemoteUser = Arc<dyn Fn(&ClientCertificate) -> Option<String> + Send + Sync>;

impl Tls {
    /// By the certificate in the PEM file `chain`, and its private key in the PEM file `key`: those of
    /// [`PemFiles::new`].
    ///
    /// # Errors
    ///
    /// Those of [`files`](Self::files).
    pub fn pem(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> io::Result<Self> {
        Self::files(PemFiles::new(chain, key))
    }

    /// By certificates in files, which are read here. Clients may speak TLS 1.3 and 1.2, and have HTTP/2 or HTTP/1.1 as they
    /// choose (ALPN, RFC 7301). The cryptography is the one that the program has installed
    /// (`CryptoProvider::install_default`), else that of the crate's feature.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or has no certificate or no key in it, or the key is that of another certificate. The text
    /// names the file.
    pub fn files(files: PemFiles) -> io::Result<Self> {
        Ok(Self::of(Current::read(files)?))
    }

    /// By a configuration of the program's own. HTTP/2 and HTTP/1.1 are added to what clients can choose (ALPN), unless it
    /// names either.
    pub fn own(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self::of(Current::own(config.into()))
    }

    fn of(current: Current) -> Self {
        Self {
            current: Arc::new(current),
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 1024,
            remote_user: None,
        }
    }

    /// How long a handshake may take, from the accepted connection to its end. Default: 10 seconds. Then the connection is
    /// closed.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How many handshakes may be under way at a time, and never more than a quarter of the server's
    /// [connections](crate::Server::max_connections). Default: 1024. For one more another is given up: the oldest from
    /// the newcomer's address, where that has an eighth of the places, else the oldest of all. So a new client
    /// always has a place, whatever others hold open.
    pub fn max_handshakes(mut self, most: usize) -> Self {
        self.max_handshakes = most;
        self
    }

    /// Whom the certificate of a client names: the variable REMOTE_USER. Asked once for each connection whose
    /// certificate is [verified](ClientCertificate::is_verified). Default: no user.
    ///
    /// ```
    /// use gateway_server::tls::Tls;
    /// use x509_parser::parse_x509_certificate;
    ///
    /// # fn example(tls: Tls) -> Tls {
    /// tls.remote_user(|certificate| {
    ///     let (_, certificate) = parse_x509_certificate(certificate.der()).ok()?;
    ///     let name = certificate.subject().iter_common_name().next()?;
    ///     Some(name.as_str().ok()?.to_owned())
    /// })
    /// # }
    /// ```
    pub fn remote_user(
        mut self,
        user: impl Fn(&ClientCertificate) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.remote_user = Some(Arc::new(user));
        self
    }

    /// A handle by which the program changes certificates while the server runs.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader::new(Arc::clone(&self.current))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("handshake_timeout", &self.handshake_timeout)
            .field("max_handshakes", &self.max_handshakes)
            .finish_non_exhaustive()
    }
}
