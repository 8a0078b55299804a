//! Certificates and keys from PEM files (RFC 7468).

use std::fmt::Display;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates in the file at `path`: at least one.
pub(super) fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = found.map_err(|error| unreadable(path, error))?;
    if certificates.is_empty() {
        return Err(wrong(path, "no certificate in it"));
    }
    Ok(certificates)
}

/// The first private key in the file at `path`.
pub(super) fn key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong(path, "no private key in it"),
        other => unreadable(path, other),
    })
}

/// An error that names the file.
pub(super) fn wrong(path: &Path, what: impl Display) -> io::Error {
    let text = format!("{}: {what}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn unreadable(path: &Path, error: pem::Error) -> io::Error {
    match error {
        pem::Error::Io(error) => {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        }
        other => wrong(path, other),
    }
}

/// A certificate as text, in lines of 64 characters (RFC 7468 section 2).
pub(super) fn encode(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
