//! What stunnel does: takes connections in the clear, and hands them on over TLS. So tests that write bytes hold over
//! TLS too.

use std::net::SocketAddr;
use std::sync::Arc;

use gateway_server::tls::Tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// What a server shows, and what its clients believe.
pub(super) fn ends() -> (Tls, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let server = server.with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.clone()], key);
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (Tls::own(server.unwrap()), client)
}

/// The address to connect to in place of `server`.
pub(super) fn start(server: SocketAddr, client: ClientConfig) -> SocketAddr {
    let listener = TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    listener.set_send_buffer_size(8192).unwrap();
    let listener = listener.listen(1024).unwrap();
    let addr = listener.local_addr().unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    tokio::spawn(async move {
        while let Ok((plain, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move { tunnel(plain, server, connector).await });
        }
    });
    addr
}

async fn tunnel(plain: TcpStream, server: SocketAddr, connector: TlsConnector) -> Option<()> {
    plain.set_nodelay(true).ok()?;
    let secure = TcpSocket::new_v4().ok()?;
    // A client that stops reading, or reads slowly, is soon felt: little is between.
    secure.set_recv_buffer_size(8192).ok()?;
    let secure = secure.connect(server).await.ok()?;
    secure.set_nodelay(true).ok()?;
    let name = "localhost".try_into().ok()?;
    let secure = connector.connect(name, secure).await.ok()?;
    let ((plain_read, plain_write), (secure_read, secure_write)) = (split(plain), split(secure));
    let up = tokio::spawn(copy(plain_read, secure_write));
    copy(secure_read, plain_write).await;
    up.await.ok()
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut room = vec![0; 4096];
    while let Ok(length) = from.read(&mut room).await {
        if length == 0 {
            break;
        }
        if to.write_all(&room[..length]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
