//! HTTPS, HTTP/1.1 and HTTP/2. See README.md.

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

use std::process::ExitCode;
use std::sync::Arc;

use command_line::Certificate;
use gateway_core::{Environ, Error, Reply, application};
use gateway_server::http::Server;
use gateway_server::tls::Tls;
use gateway_server::tls::rustls::pki_types::PrivateKeyDer;
use gateway_server::tls::rustls::{ServerConfig, crypto};

fn main() -> ExitCode {
    command_line::run_with_tls("127.0.0.1:8443", |address, certificate| {
        let tls = match certificate {
            Some(Certificate { chain, key }) => Tls::pem(chain, key)?,
            None => Tls::own(self_signed()?),
        };
        let server = Server::bind(address)?.tls(tls);
        let port = server.local_addr()?.port();
        println!("listening on https://localhost:{port}");
        Ok::<_, Error>(gateway_server::block_on(
            server.serve_app(application(hello)),
        )?)
    })
}

fn hello(environ: &mut Environ) -> Reply {
    Reply::text(format!("Hello over {}!\n", environ.scheme()))
}

/// A certificate for `localhost` that is signed by itself alone.
fn self_signed() -> Result<ServerConfig, Error> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(Error::msg)?;
    // Named, because features may have brought a second one.
    let provider = Arc::new(crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth();
    Ok(config.with_single_cert(vec![made.cert.der().clone()], key)?)
}
