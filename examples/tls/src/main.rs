//! HTTPS, HTTP/1.1 and HTTP/2, with rustls: by the program's own `Listener`. See README.md.

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use gateway_core::request::{Addr, ConnInfo};
use gateway_core::{Environ, Reply};
use gateway_server::http::Server;
use gateway_server::{Listener, Sockets, Stream};
use http::uri::Scheme;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

/// Accepts from sockets, and speaks TLS on what it accepts.
struct Tls {
    sockets: Sockets,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<Stream>;
    type Handshake = Pin<Box<dyn Future<Output = io::Result<(Self::Io, ConnInfo)>> + Send>>;

    async fn accept(&mut self) -> io::Result<Self::Handshake> {
        let accepted = self.sockets.accept().await?;
        let acceptor = self.acceptor.clone();
        // Not awaited here: a client that is slow to shake hands keeps no other waiting.
        Ok(Box::pin(async move {
            let (stream, conn) = accepted.await?;
            let stream = acceptor.accept(stream).await?;
            Ok((stream, conn.with_scheme(Scheme::HTTPS)))
        }))
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.sockets.local_addr()
    }

    // So that a client that reads slowly is told from one that has stopped.
    fn unacknowledged(io: &Self::Io) -> Option<usize> {
        io.get_ref().0.unacknowledged()
    }
}

fn hello(environ: &mut Environ) -> Reply {
    Reply::text(format!("Hello over {}!\n", environ.scheme()))
}

/// A certificate for `localhost` that is signed by itself alone.
fn acceptor() -> io::Result<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]);
    let made = made.map_err(io::Error::other)?;
    let key =
        PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key);
    let mut config = config.map_err(io::Error::other)?;
    // The client chooses; the server sees by the first bytes what it chose.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8443", serve)
}

fn serve(address: &str) -> io::Result<ExitCode> {
    let tls = Tls {
        sockets: Sockets::bind(address)?,
        acceptor: acceptor()?,
    };
    let server = Server::on(tls);
    println!(
        "listening on https://localhost:{}",
        server.local_addr()?.port()
    );
    gateway_server::block_on(server.serve_app(gateway_core::application(hello)))
}
