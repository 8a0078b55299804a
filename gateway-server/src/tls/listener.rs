use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;

use gateway_core::request::{Addr, ClientCertificate, ConnInfo};
use http::uri::Scheme;
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::config::Config;
use super::current::Current;
use super::half_open::HalfOpen;
#[cfg(unix)]
use super::hangup::Hangup;
use super::pem;
use super::plain::{is_plain, turn_away};
use super::settings::{RemoteUser, Tls};
use super::stream::{Begun, TlsStream};
use crate::http::Server;
use crate::{BoxHandshake, Listener};

/// What a connection of ACME's is for: the handshake alone (RFC 8737 section 3).
const ACME: &[u8] = b"acme-tls/1";

/// The most that is read of a connection to see what it speaks. A first message of TLS fits.
const FIRST: usize = 2048;

/// TLS on the connections of another listener.
#[derive(Debug)]
pub struct TlsListener<L> {
    inner: L,
    shared: Arc<Shared>,
    #[cfg(unix)]
    hangup: Hears,
}

/// Signals are listened for on a runtime, so from the first connection that is waited for.
#[cfg(unix)]
#[derive(Debug)]
enum Hears {
    Nothing,
    NotYet,
    Hangup { _until_dropped: Option<Hangup> },
}

/// What the handshakes of one listener share.
struct Shared {
    current: Arc<Current>,
    timeout: Duration,
    half_open: Mutex<HalfOpen<oneshot::Sender<()>>>,
    remote_user: Option<RemoteUser>,
}

impl Tls {
    /// TLS on the connections of `listener`, for a server of several:
    ///
    /// ```no_run
    /// use gateway_server::http::Server;
    /// use gateway_server::Sockets;
    /// # fn example(tls: gateway_server::tls::Tls) -> std::io::Result<()> {
    /// let both = Server::bind("[::]:80")?.and_listener(tls.listen(Sockets::bind("[::]:443")?));
    /// # drop(both); Ok(())
    /// # }
    /// ```
    pub fn listen<L: Listener>(self, listener: L) -> TlsListener<L> {
        TlsListener::new(listener, self)
    }
}

impl<L: Listener> Server<L> {
    /// Speaks TLS on the connections of all listeners so far.
    pub fn tls(self, tls: Tls) -> Server<TlsListener<L>> {
        self.map_listener(|listener| tls.listen(listener))
    }
}

impl<L> TlsListener<L> {
    fn new(inner: L, tls: Tls) -> Self {
        Self {
            inner,
            #[cfg(unix)]
            hangup: if tls.current.hears_hangup() {
                Hears::NotYet
            } else {
                Hears::Nothing
            },
            shared: Arc::new(Shared {
                current: tls.current,
                timeout: tls.handshake_timeout,
                half_open: Mutex::new(HalfOpen::new(tls.max_handshakes)),
                remote_user: tls.remote_user,
            }),
        }
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Io = TlsStream<L::Io>;
    type Handshake = BoxHandshake<Self::Io>;

    async fn accept(&mut self) -> io::Result<Self::Handshake> {
        #[cfg(unix)]
        if matches!(self.hangup, Hears::NotYet) {
            self.hangup = Hears::Hangup {
                _until_dropped: Hangup::listen(Arc::clone(&self.shared.current)),
            };
        }
        let accepted = self.inner.accept().await?;
        let shared = Arc::clone(&self.shared);
        let peer = L::peer(&accepted).cloned();
        let number = shared.half_open().number();
        Ok(BoxHandshake::new(
            peer,
            shared.shake_hands(number, accepted),
        ))
    }

    fn peer(handshake: &Self::Handshake) -> Option<&Addr> {
        handshake.peer()
    }

    fn most_connections(&mut self, most: usize) {
        self.inner.most_connections(most);
        self.shared.half_open().at_most(most / 4);
    }

    fn last_call(&mut self) {
        self.inner.last_call();
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.inner.local_addr()
    }

    fn unacknowledged(io: &Self::Io) -> Option<usize> {
        L::unacknowledged(io.get_ref())
    }

    fn reset_on_close(io: &Self::Io) {
        io.says_no_goodbye();
        L::reset_on_close(io.get_ref());
    }

    fn end_with_last_write(io: &Self::Io) {
        L::end_with_last_write(io.get_ref());
    }
}

type Shaken<T> = io::Result<(TlsStream<T>, ConnInfo)>;

impl Shared {
    fn half_open(&self) -> MutexGuard<'_, HalfOpen<oneshot::Sender<()>>> {
        let half_open = self.half_open.lock();
        half_open.unwrap_or_else(PoisonError::into_inner)
    }

    async fn shake_hands<T>(
        self: Arc<Self>,
        number: u64,
        accepted: impl Future<Output = io::Result<(T, ConnInfo)>>,
    ) -> Shaken<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let (io, conn) = accepted.await?;
        let (give_way, given_way) = oneshot::channel();
        let _place = self.place(number, conn.peer(), give_way);
        tokio::select! {
            biased;
            shaken = tokio::time::timeout(self.timeout, self.begin(io, conn)) => {
                shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            _ = given_way => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "too many handshakes at a time",
            )),
        }
    }

    /// A place among the handshakes until it is dropped. Another may have to give way for it.
    fn place(&self, number: u64, peer: &Addr, give_way: oneshot::Sender<()>) -> Place<'_> {
        let oldest = self.half_open().begin(number, peer.owner(), give_way);
        if let Some(oldest) = oldest {
            let _ = oldest.send(());
        }
        Place {
            shared: self,
            number,
        }
    }

    async fn begin<T>(&self, mut io: T, conn: ConnInfo) -> Shaken<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let first = first_bytes(&mut io).await?;
        if is_plain(&first) {
            turn_away(&mut io).await?;
            let text = "HTTP in the clear, where TLS is spoken";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let Config { rustls, judge } = self.current.fresh().await;
        let session = TlsAcceptor::from(rustls)
            .accept(Begun::new(first, io))
            .await?;
        let agreed = session.get_ref().1;
        if agreed.alpn_protocol() == Some(ACME) {
            let text = "a challenge of ACME, answered";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, text));
        }
        let mut conn = conn.with_scheme(Scheme::HTTPS);
        if let Some(certificate) = self.certificate(agreed, judge.as_deref()) {
            conn = conn.with_client_certificate(certificate);
        }
        Ok((TlsStream::new(session), conn))
    }

    fn certificate(
        &self,
        agreed: &ServerConnection,
        judge: Option<&dyn ClientCertVerifier>,
    ) -> Option<ClientCertificate> {
        let (own, authorities) = agreed.peer_certificates()?.split_first()?;
        let is_verified = judge.is_none_or(|judge| {
            let verified = judge.verify_client_cert(own, authorities, UnixTime::now());
            verified.is_ok()
        });
        let certificate = ClientCertificate::new(&**own, pem::encode(own), is_verified);
        let user = self.remote_user.as_ref().filter(|_| is_verified);
        Some(match user.and_then(|user| user(&certificate)) {
            Some(user) => certificate.with_user(user),
            None => certificate,
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

struct Place<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.half_open().end(self.number);
    }
}

/// What the client sends first. No room is held for it before it comes.
async fn first_bytes<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Vec<u8>> {
    poll_fn(|cx: &mut Context<'_>| {
        let mut room = [0; FIRST];
        let mut buf = ReadBuf::new(&mut room);
        let read = Pin::new(&mut *io).poll_read(cx, &mut buf);
        read.map_ok(|()| buf.filled().to_vec())
    })
    .await
}
