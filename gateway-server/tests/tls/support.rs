//! Certificates made for a test, a server that shows them, and clients that look at them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_core::request::ConnInfo;
use gateway_core::{Body, RequestExt};
use gateway_server::http::Server;
use gateway_server::tls::{PemFiles, Tls, TlsListener};
use gateway_server::{HttpService, Outcome, Sockets};
use http::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::common::PATIENCE;

/// An authority, and the files of the certificates that it signs.
pub(crate) struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("root.pem"), certificate.pem()).unwrap();
        Self {
            dir,
            issuer: Issuer::new(params, key),
            root: certificate.der().clone(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `NAME.pem` and `NAME.key`, for hosts of these names, and of a subject that is called `NAME`.
    pub(crate) fn signs(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.made(name, hosts);
        let paths = (
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
        );
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    fn made(&self, name: &str, hosts: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    pub(crate) fn localhost(&self) -> PemFiles {
        let (chain, key) = self.signs("localhost", &["localhost"]);
        PemFiles::new(chain, key)
    }

    /// What a client believes that trusts this authority.
    pub(crate) fn trusting(&self) -> ClientConfig {
        self.client(None)
    }

    /// The same for a client that shows a certificate which `issuer` has signed.
    pub(crate) fn trusting_as(&self, issuer: &Self, name: &str) -> ClientConfig {
        let (certificate, key) = issuer.made(name, &[]);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        self.client(Some((certificate.der().clone(), key)))
    }

    fn client(
        &self,
        own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        match own {
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key),
            None => Ok(builder.with_no_client_auth()),
        }
        .unwrap()
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<Outcome>>,
}

pub(crate) type TlsServer = Server<TlsListener<Sockets>>;

impl Running {
    /// One that says what it knows of the connection.
    pub(crate) fn start(tls: Tls) -> Self {
        Self::with(tls, tower::service_fn(facts), |server| server)
    }

    pub(crate) fn with<S: HttpService>(
        tls: Tls,
        service: S,
        configure: impl FnOnce(TlsServer) -> TlsServer,
    ) -> Self {
        let server = configure(Server::bind("127.0.0.1:0").unwrap().tls(tls));
        let (stop, stopped) = oneshot::channel();
        let addr = server.local_addr().unwrap();
        let server = server.with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        Self {
            addr,
            stop: Some(stop),
            serving: tokio::spawn(server.serve(service)),
        }
    }

    pub(crate) fn begin_shutdown(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn outcome(self) -> Outcome {
        let Self { serving, stop, .. } = self;
        drop(stop);
        let outcome = timeout(PATIENCE, serving).await.expect("the server ends");
        outcome.unwrap().unwrap()
    }

    pub(crate) async fn shake_hands(
        &self,
        name: &'static str,
        config: ClientConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.resume(name, Arc::new(config)).await
    }

    /// With a configuration that remembers sessions.
    pub(crate) async fn resume(
        &self,
        name: &'static str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.addr).await?;
        let name = ServerName::try_from(name).unwrap();
        let shaken = timeout(PATIENCE, TlsConnector::from(config).connect(name, stream));
        shaken.await.expect("an answer")
    }

    /// The answer to a GET, over a connection of its own.
    pub(crate) async fn get(
        &self,
        name: &'static str,
        config: ClientConfig,
    ) -> std::io::Result<String> {
        let mut stream = self.shake_hands(name, config).await?;
        get(&mut stream).await
    }
}

/// The answer to a GET that is the last of its connection.
pub(crate) async fn get(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let request = "GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer));
    read.await.expect("an answer")?;
    Ok(answer)
}

/// Whom the server has shown itself as: the common name of its certificate.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> String {
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&certificates[0]).unwrap();
    let mut names = certificate.subject().iter_common_name();
    names.next().unwrap().as_str().unwrap().to_owned()
}

/// What a service is told of its connection, a line each.
async fn facts(request: Request<Body>) -> Result<Response<String>, std::convert::Infallible> {
    let names = [
        "HTTPS",
        "wsgi.url_scheme",
        "SERVER_PROTOCOL",
        "REMOTE_ADDR",
        "SSL_CLIENT_VERIFY",
        "REMOTE_USER",
        "SSL_CLIENT_CERT",
    ];
    let mut text = format!("URI={}\n", request.request_uri());
    for name in names {
        if let Some(value) = request.var(name) {
            text += &format!("{name}={}\n", String::from_utf8_lossy(&value));
        }
    }
    let certificate = request.conn().and_then(ConnInfo::client_certificate);
    if let Some(certificate) = certificate {
        text += &format!("DER={}\n", certificate.der().len());
    }
    Ok(Response::new(text))
}

pub(crate) fn copy(from: &(PathBuf, PathBuf), to: &(PathBuf, PathBuf)) {
    replace(&from.0, &to.0);
    replace(&from.1, &to.1);
}

/// As programs that renew certificates do it: the new file takes the name of the old one.
fn replace(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    std::fs::copy(from, &beside).unwrap();
    std::fs::rename(beside, to).unwrap();
}
