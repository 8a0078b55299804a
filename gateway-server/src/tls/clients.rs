use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::pem;

/// What is asked of clients about themselves: a certificate (RFC 8446 section 4.3.2).
///
/// A request tells it as [`ConnInfo::client_certificate`](gateway_core::request::ConnInfo::client_certificate), and in
/// the variables `SSL_CLIENT_CERT` and `SSL_CLIENT_VERIFY`. Certificates have to be of X.509 version 3, as all that browsers and
/// authorities make are; `openssl x509 -req` makes version 1 unless it is given extensions (`-extfile`).
#[must_use]
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    authorities: PathBuf,
    demand: Demand,
}

#[derive(Clone, Copy, Debug)]
enum Demand {
    Required,
    Optional,
    Unverified,
}

impl ClientCertificates {
    /// Each client must have a certificate that one of the authorities in this PEM file has signed. With none, or
    /// another, there is no connection.
    pub fn required(authorities: impl Into<PathBuf>) -> Self {
        Self::new(authorities, Demand::Required)
    }

    /// Clients may have a certificate that one of the authorities in this PEM file has signed, or none. With
    /// another there is no connection.
    pub fn optional(authorities: impl Into<PathBuf>) -> Self {
        Self::new(authorities, Demand::Optional)
    }

    /// Clients may have any certificate of version 3, or none: whether one of the authorities in this PEM file has signed it,
    /// [`is_verified`](gateway_core::request::ClientCertificate::is_verified) tells. For applications that know certificates one by one, or
    /// that explain on a page what is wrong. That a client has the key of its certificate is always checked.
    pub fn unverified(authorities: impl Into<PathBuf>) -> Self {
        Self::new(authorities, Demand::Unverified)
    }

    fn new(authorities: impl Into<PathBuf>, demand: Demand) -> Self {
        Self {
            authorities: authorities.into(),
            demand,
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.authorities
    }

    /// Reads the authorities.
    pub(super) fn verifiers(&self, provider: &Arc<CryptoProvider>) -> io::Result<Verifiers> {
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(&self.authorities)? {
            roots
                .add(certificate)
                .map_err(|error| pem::wrong(&self.authorities, error))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = match self.demand {
            Demand::Required => builder,
            Demand::Optional | Demand::Unverified => builder.allow_unauthenticated(),
        };
        let strict = builder
            .build()
            .map_err(|error| pem::wrong(&self.authorities, error))?;
        Ok(match self.demand {
            Demand::Required | Demand::Optional => Verifiers {
                handshake: strict,
                judge: None,
            },
            Demand::Unverified => Verifiers {
                handshake: Arc::new(Lenient(Arc::clone(&strict))),
                judge: Some(strict),
            },
        })
    }
}

/// Who judges certificates: in the handshake, and behind it where the handshake takes any.
#[derive(Clone, Debug)]
pub(super) struct Verifiers {
    pub(super) handshake: Arc<dyn ClientCertVerifier>,
    pub(super) judge: Option<Arc<dyn ClientCertVerifier>>,
}

/// Takes every certificate whose key the client has.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    // None are hinted at: a browser would offer only what they have signed.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
