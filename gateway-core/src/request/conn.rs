use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::Scheme;

/// The connection a request came over: who is at the other end, which of our addresses it
/// reached, and whether it is `http` or `https`.
///
/// Set by the server, never from headers; a [proxy layer](crate#behind-a-proxy) that trusts the
/// peer by name replaces it. Cheap to clone: one allocation per connection, shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    peer: Addr,
    local: Addr,
    scheme: Scheme,
    proxy: Option<Addr>,
    // Boxed: few clients show one, and every connection would pay for its room.
    certificate: Option<Box<ClientCertificate>>,
}

impl ConnInfo {
    /// A plain (`http`) connection from `peer` to our address `local`.
    #[must_use]
    pub fn new(peer: impl Into<Addr>, local: impl Into<Addr>) -> Self {
        Self {
            inner: Arc::new(Inner {
                peer: peer.into(),
                local: local.into(),
                scheme: Scheme::HTTP,
                proxy: None,
                certificate: None,
            }),
        }
    }

    /// The same connection, spoken to as `scheme`. Default: `http`.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        Arc::make_mut(&mut self.inner).scheme = scheme;
        self
    }

    /// The same connection, whose peer showed `certificate` in the TLS handshake.
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: ClientCertificate) -> Self {
        Arc::make_mut(&mut self.inner).certificate = Some(Box::new(certificate));
        self
    }

    /// The same connection on behalf of `client`, which a trusted proxy named; the peer of before
    /// is remembered as [`proxy`](Self::proxy). A [client certificate](Self::client_certificate) was
    /// the proxy's, and says nothing of the client: there is none any more.
    #[must_use]
    pub fn on_behalf_of(mut self, client: impl Into<Addr>) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.certificate = None;
        let peer = std::mem::replace(&mut inner.peer, client.into());
        inner.proxy.get_or_insert(peer);
        self
    }

    /// Whether both describe one and the same connection. Two connections with equal addresses, as those
    /// over one Unix socket have, are two.
    ///
    /// ```
    /// use gateway_core::request::{Addr, ConnInfo};
    ///
    /// let one = ConnInfo::new(Addr::Unknown, Addr::Unknown);
    /// let other = ConnInfo::new(Addr::Unknown, Addr::Unknown);
    /// assert!(one == other && one.is_same_connection(&one.clone()));
    /// assert!(!one.is_same_connection(&other));
    /// ```
    #[must_use]
    pub fn is_same_connection(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The identity of the connection: the same for clones, different for connections with equal addresses.
    #[cfg(feature = "tokio")]
    pub(crate) fn origin(&self) -> crate::threads::work::Origin {
        crate::threads::work::Origin::of(Arc::clone(&self.inner) as _)
    }

    /// Who sent the request.
    #[must_use]
    pub fn peer(&self) -> &Addr {
        &self.inner.peer
    }

    /// The address of ours that was connected to.
    #[must_use]
    pub fn local(&self) -> &Addr {
        &self.inner.local
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.inner.scheme
    }

    /// The trusted proxy that opened the connection, if a proxy layer replaced the peer.
    #[must_use]
    pub fn proxy(&self) -> Option<&Addr> {
        self.inner.proxy.as_ref()
    }

    /// The certificate that the client showed in the TLS handshake, where the server asked for one.
    #[must_use]
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.inner.certificate.as_deref()
    }
}

/// The certificate that a client showed in its TLS handshake, and by which it proved to have the
/// private key (RFC 8446 section 4.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    der: Box<[u8]>,
    pem: Box<str>,
    is_verified: bool,
    user: Option<Box<str>>,
}

impl ClientCertificate {
    /// A certificate in both of its forms; verified where an authority that the server trusts has signed it.
    #[must_use]
    pub fn new(der: impl Into<Box<[u8]>>, pem: impl Into<Box<str>>, is_verified: bool) -> Self {
        Self {
            der: der.into(),
            pem: pem.into(),
            is_verified,
            user: None,
        }
    }

    /// The same certificate, which names `user`.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Box<str>>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM (RFC 7468): SSL_CLIENT_CERT.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether an authority that the server trusts has signed it. Where this is false the client has shown
    /// no more than that it has the key of this certificate.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.is_verified
    }

    /// Whom the certificate names, by the program's own rule: REMOTE_USER.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addr {
    /// A TCP (or QUIC) address.
    Ip(SocketAddr),
    /// A Unix socket: its path, where it has one. Peers are mostly unnamed.
    Unix(Option<PathBuf>),
    /// The gateway did not say.
    Unknown,
}

impl Addr {
    /// The IP address, IPv4-mapped IPv6 (`::ffff:127.0.0.1`) as the IPv4 address it is.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(addr) => Some(addr.ip().to_canonical()),
            Self::Unix(_) | Self::Unknown => None,
        }
    }

    /// Whose address this is, for bounds and counts: an IPv4 address, or the first 64 bits of an IPv6 address with zeros
    /// behind them. A provider gives each customer such a net at the least (RFC 6177), and the customer's machines any number of
    /// addresses in it. An IPv4-mapped address is the IPv4 address.
    ///
    /// ```
    /// use gateway_core::request::Addr;
    ///
    /// let owner = |addr: &str| Addr::Ip(addr.parse().unwrap()).owner().unwrap().to_string();
    /// assert_eq!(owner("192.0.2.1:80"), "192.0.2.1");
    /// assert_eq!(owner("[::ffff:192.0.2.1]:80"), "192.0.2.1");
    /// assert_eq!(owner("[2001:db8:1:2:3::4]:80"), "2001:db8:1:2::");
    /// assert_eq!(Addr::Unix(None).owner(), None);
    /// ```
    #[must_use]
    pub fn owner(&self) -> Option<IpAddr> {
        Some(match self.ip()? {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }

    /// The port of an IP address.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(addr) => Some(addr.port()),
            Self::Unix(_) | Self::Unknown => None,
        }
    }

    /// The path of a Unix socket that has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => path.as_deref(),
            Self::Ip(_) | Self::Unknown => None,
        }
    }

    /// Whether this is an address of the loopback interface. A Unix socket is not: what speaks
    /// over it is mostly a proxy.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl From<IpAddr> for Addr {
    /// An address whose port is unknown: port 0.
    fn from(ip: IpAddr) -> Self {
        Self::Ip(SocketAddr::new(ip, 0))
    }
}

/// `127.0.0.1:4242`, `unix:/run/app.sock`, `unix:` for an unnamed one, `-` for unknown.
impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => fmt::Display::fmt(addr, f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
            Self::Unknown => f.write_str("-"),
        }
    }
}
