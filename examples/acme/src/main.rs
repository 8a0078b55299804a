//! A certificate that the server gets, and renews, by itself: ACME (RFC 8555) with rustls-acme. See README.md.

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt;
use gateway_core::{Environ, Error, Reply, application};
use gateway_server::Outcome;
use gateway_server::http::Server;
use gateway_server::tls::Tls;
use gateway_server::tls::rustls::pki_types::{CertificateDer, pem::PemObject};
use gateway_server::tls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use lexopt::prelude::{Long, ValueExt};
use rustls_acme::AcmeConfig;
use rustls_acme::caches::DirCache;

const USAGE: &str = "usage: acme --domain NAME [--bind [::]:443] [--cache acme-cache] [--directory URL [--root FILE]]";

struct Options {
    domains: Vec<String>,
    bind: String,
    cache: String,
    /// Of an authority other than Let's Encrypt, and what signed its own certificate.
    directory: Option<String>,
    root: Option<String>,
}

impl Options {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Self {
            domains: Vec::new(),
            bind: "[::]:443".to_owned(),
            cache: "acme-cache".to_owned(),
            directory: None,
            root: None,
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("domain") => options.domains.push(arguments.value()?.string()?),
                Long("bind") => options.bind = arguments.value()?.string()?,
                Long("cache") => options.cache = arguments.value()?.string()?,
                Long("directory") => options.directory = Some(arguments.value()?.string()?),
                Long("root") => options.root = Some(arguments.value()?.string()?),
                other => return Err(other.unexpected()),
            }
        }
        if options.domains.is_empty() {
            return Err("--domain is missing".into());
        }
        Ok(options)
    }

    fn acme(&self) -> Result<AcmeConfig<std::io::Error>, Error> {
        let provider = Arc::new(ring::default_provider());
        let acme = AcmeConfig::new_with_provider(&self.domains, Arc::clone(&provider));
        let acme = acme.cache(DirCache::new(self.cache.clone()));
        let acme = match &self.directory {
            Some(directory) => acme.directory(directory),
            // The real one: it has limits. For trials there is `directory_lets_encrypt(false)`.
            None => acme.directory_lets_encrypt(true),
        };
        let Some(root) = &self.root else {
            return Ok(acme);
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root)?)?;
        let client = ClientConfig::builder_with_provider(provider);
        let client = client.with_safe_default_protocol_versions()?;
        let client = client.with_root_certificates(roots).with_no_client_auth();
        Ok(acme.client_tls_config(Arc::new(client)))
    }
}

async fn serve(options: Options) -> Result<Outcome, Error> {
    let mut acme = options.acme()?.state();
    // Answers challenges (TLS-ALPN-01, RFC 8737), and shows the certificate to all others.
    let provider = Arc::new(ring::default_provider());
    let tls = Tls::own(acme.challenge_rustls_config_with_provider(provider));
    let server = Server::bind(&*options.bind)?.tls(tls);
    println!("listening on https://{}", server.local_addr()?);
    tokio::spawn(async move {
        while let Some(event) = acme.next().await {
            match event {
                Ok(event) => println!("{event:?}"),
                Err(error) => eprintln!("acme: {error:?}"),
            }
        }
    });
    Ok(server.serve_app(application(hello)).await?)
}

fn hello(environ: &mut Environ) -> Reply {
    Reply::text(format!("Hello over {}!\n", environ.scheme()))
}

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("acme: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match gateway_server::block_on(serve(options)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("acme: {error}");
            ExitCode::FAILURE
        }
    }
}
