use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::clients::Verifiers;

/// What a handshake goes by.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) rustls: Arc<ServerConfig>,
    /// Judges the certificates of clients where the handshake takes any.
    pub(super) judge: Option<Arc<dyn ClientCertVerifier>>,
}

impl Config {
    /// Of the program's own.
    pub(super) fn own(rustls: Arc<ServerConfig>) -> Self {
        Self {
            rustls: with_http(rustls),
            judge: None,
        }
    }

    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        certificates: Arc<dyn ResolvesServerCert>,
        clients: Option<Verifiers>,
    ) -> io::Result<Self> {
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let (builder, judge) = match clients {
            Some(Verifiers { handshake, judge }) => {
                (builder.with_client_cert_verifier(handshake), judge)
            }
            None => (builder.with_no_client_auth(), None),
        };
        let mut rustls = builder.with_cert_resolver(certificates);
        remember_by_tickets(&mut rustls);
        Ok(Self {
            rustls: with_http(Arc::new(rustls)),
            judge,
        })
    }
}

/// HTTP/2 and HTTP/1.1 as what clients can choose (ALPN, RFC 7301), unless the program has chosen either. Others, as
/// `acme-tls/1`, stay.
fn with_http(mut rustls: Arc<ServerConfig>) -> Arc<ServerConfig> {
    let http = [b"h2".to_vec(), b"http/1.1".to_vec()];
    let known = &rustls.alpn_protocols;
    if !http.iter().any(|http| known.contains(http)) {
        Arc::make_mut(&mut rustls).alpn_protocols.splice(0..0, http);
    }
    rustls
}

/// The program's, where it has installed one.
pub(super) fn provider() -> io::Result<Arc<CryptoProvider>> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    #[cfg(feature = "tls-aws-lc")]
    return Ok(Arc::new(
        tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
    ));
    #[cfg(all(feature = "tls", not(feature = "tls-aws-lc")))]
    return Ok(Arc::new(
        tokio_rustls::rustls::crypto::ring::default_provider(),
    ));
    #[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
    Err(io::Error::other(
        "no cryptography for TLS: turn on a feature of gateway-server (`tls`), or install a `CryptoProvider`",
    ))
}

/// Sessions are resumed by what the client keeps (RFC 8446 section 2.2), encrypted with keys that change every few hours
/// and at each reading of the files: rustls by itself would keep the last 256 sessions.
fn remember_by_tickets(rustls: &mut ServerConfig) {
    #[cfg(feature = "tls-aws-lc")]
    let ticketer = tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer::new();
    #[cfg(all(feature = "tls", not(feature = "tls-aws-lc")))]
    let ticketer = tokio_rustls::rustls::crypto::ring::Ticketer::new();
    #[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
    if let Ok(ticketer) = ticketer {
        rustls.ticketer = ticketer;
    }
    #[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
    let _ = rustls;
}
