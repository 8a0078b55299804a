use std::collections::HashMap;
use std::sync::Arc;

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, SignatureScheme};
use webpki::EndEntityCert;

/// Several certificates, of which the name that a client asks for chooses one (SNI, RFC 6066 section 3).
#[derive(Debug)]
pub(super) struct ByName {
    keys: Vec<Arc<CertifiedKey>>,
    // In lower case, a wildcard as `*.example.org`: places in `keys`.
    named: HashMap<String, Vec<usize>>,
}

impl ByName {
    pub(super) fn new(keys: Vec<CertifiedKey>) -> Result<Self, Error> {
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, key) in keys.iter().enumerate() {
            let certificate = EndEntityCert::try_from(key.end_entity_cert()?);
            let certificate = certificate.map_err(|error| Error::General(error.to_string()))?;
            for name in certificate.valid_dns_names() {
                named
                    .entry(name.to_ascii_lowercase())
                    .or_default()
                    .push(place);
            }
        }
        let keys = keys.into_iter().map(Arc::new).collect();
        Ok(Self { keys, named })
    }

    /// Those of exactly this name, then those of a wildcard above it, then the first of all: a client that asks for
    /// another name, or for none, is shown that.
    fn candidates<'a>(
        &'a self,
        name: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<CertifiedKey>> {
        let wildcard = name.and_then(|name| Some(format!("*.{}", name.split_once('.')?.1)));
        let exact = name.and_then(|name| self.named.get(name));
        let wild = wildcard.and_then(|wildcard| self.named.get(&wildcard));
        let places = exact.into_iter().chain(wild).flatten();
        let named = places.filter_map(|place| self.keys.get(*place));
        named.chain(&self.keys)
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let mut candidates = self.candidates(name.as_deref());
        // A name may have a certificate for old clients (RSA) and one for new.
        let fits = candidates.find(|key| key.key.choose_scheme(schemes).is_some());
        fits.cloned()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}
