use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::Error;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::by_name::ByName;
use super::clients::ClientCertificates;
use super::config::{Config, provider};
use super::pem;

/// Certificates and their keys in PEM files, which may change.
///
/// The files are read when the server is made, and again when they have changed (looked for when a client connects,
/// once a second at most) and, on Unix, at SIGHUP. New connections go by what is new; those that are open stay as they are.
/// Where a new file is broken, or does not belong to the others yet, all stays as it was, and the log says why.
#[must_use]
#[derive(Clone, Debug)]
pub struct PemFiles {
    // Chains and their keys.
    pairs: Vec<(PathBuf, PathBuf)>,
    clients: Option<ClientCertificates>,
    hears_hangup: bool,
}

impl PemFiles {
    /// The certificate in the file `chain`, with those of the authorities between it and a root behind it, and its
    /// private key in the file `key` (PKCS #8, PKCS #1 or SEC 1; not encrypted). One file may hold both.
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            pairs: vec![(chain.into(), key.into())],
            clients: None,
            hears_hangup: true,
        }
    }

    /// Another certificate, for the names in it. The name that a client asks for (SNI, RFC 6066 section 3) chooses
    /// between several; one that asks for another name, or for none, gets the first. A wildcard is for names without a
    /// certificate of their own. Of two for one name (ECDSA and RSA) a client gets the first that it can read.
    pub fn and(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.pairs.push((chain.into(), key.into()));
        self
    }

    /// Asks clients for certificates. Default: they are not asked.
    pub fn client_certificates(mut self, clients: ClientCertificates) -> Self {
        self.clients = Some(clients);
        self
    }

    /// Leaves SIGHUP alone. Default: the server reads the files again, and the signal no longer ends the process.
    #[cfg(unix)]
    pub fn without_hangup(mut self) -> Self {
        self.hears_hangup = false;
        self
    }

    #[cfg(unix)]
    pub(super) fn hears_hangup(&self) -> bool {
        self.hears_hangup
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.pairs.iter();
        let pairs = pairs.flat_map(|(chain, key)| [chain.as_path(), key.as_path()]);
        pairs.chain(self.clients.as_ref().map(ClientCertificates::file))
    }

    /// Reads all of them. The error names the file.
    pub(super) fn read(&self) -> io::Result<Config> {
        let provider = provider()?;
        let mut keys = Vec::with_capacity(self.pairs.len());
        for (chain, key) in &self.pairs {
            let (certificates, private) = (pem::certificates(chain)?, pem::key(key)?);
            let certified = CertifiedKey::from_der(certificates, private, &provider);
            keys.push(certified.map_err(|error| match error {
                Error::InconsistentKeys(_) => {
                    let other = format!("not the key of the certificate in {}", chain.display());
                    pem::wrong(key, other)
                }
                other => pem::wrong(key, other),
            })?);
        }
        let by_name = ByName::new(keys).map_err(io::Error::other)?;
        let clients = self.clients.as_ref();
        let verifiers = clients.map(|clients| clients.verifiers(&provider));
        Config::new(provider, Arc::new(by_name), verifiers.transpose()?)
    }
}
