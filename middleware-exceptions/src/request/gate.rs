//! Whether this client may see details. Pure: from the head of a request to a verdict.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use gateway_core::RequestExt as _;
use http::{HeaderMap, Version, header, request::Parts};
use ipnet::IpNet;

/// Who may see details, and how that is found out.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) details: Details,
    pub(crate) trusted: Vec<IpNet>,
    pub(crate) peer: Option<Arc<PeerFn>>,
}

pub(crate) type PeerFn = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;

/// Who may see details.
#[derive(Clone, Default)]
pub(crate) enum Details {
    /// Nobody.
    #[default]
    Off,
    /// Whoever passes all the gates.
    Gated { in_release: bool },
    /// Whoever the program says.
    If(Arc<dyn Fn(&Parts) -> bool + Send + Sync>),
}

/// What a client is shown of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Development is off: the fixed text and the id.
    Production,
    /// Everything.
    Shown,
    /// Development is on, but not for this client: the fixed text, the id, and why.
    Withheld(Reason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    ReleaseBuild,
    NoPeer,
    UnixPeer,
    Peer(IpAddr),
    Proxied,
    Forwarded(&'static str),
    OldVersion,
    Host,
    Closure,
}

/// Who sends one of these is a proxy.
const FORWARDING: [&str; 9] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "x-real-ip",
    "via",
];

impl Gate {
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.details, Details::Off)
    }

    pub(crate) fn judge(&self, parts: &Parts) -> Verdict {
        match &self.details {
            Details::Off => Verdict::Production,
            Details::If(allowed) => match panic_capture::guard(|| allowed(parts)) {
                Ok(true) => Verdict::Shown,
                Ok(false) => Verdict::Withheld(Reason::Closure),
                Err(caught) => {
                    panic_capture::discard(caught.payload);
                    Verdict::Withheld(Reason::Closure)
                }
            },
            Details::Gated { in_release } => {
                if !cfg!(debug_assertions) && !in_release {
                    return Verdict::Withheld(Reason::ReleaseBuild);
                }
                match closed_gate(parts, self) {
                    Some(reason) => Verdict::Withheld(reason),
                    None => Verdict::Shown,
                }
            }
        }
    }
}

/// The first gate that is closed.
fn closed_gate(parts: &Parts, gate: &Gate) -> Option<Reason> {
    let peer = match peer(parts, gate) {
        Ok(peer) => peer,
        Err(reason) => return Some(reason),
    };
    let trusted = gate.trusted.iter().any(|cidr| cidr.contains(&peer));
    if !trusted && !peer.is_loopback() {
        return Some(Reason::Peer(peer));
    }
    // Behind a proxy on this machine every peer is loopback.
    if let Some(name) = forwarding_header(&parts.headers) {
        return Some(Reason::Forwarded(name));
    }
    // A bare `proxy_pass http://127.0.0.1:8000` sends no such header and our own address
    // as Host. But it speaks HTTP/1.0, which no browser and no curl does unasked.
    if parts.version < Version::HTTP_11 {
        return Some(Reason::OldVersion);
    }
    // DNS rebinding: a page of another site whose name points here comes with that name.
    // An address cannot be rebound, and a trusted peer (a telephone on the desk) uses one.
    match host(parts) {
        Some(Host::Loopback) => None,
        Some(Host::Address) if trusted => None,
        _ => Some(Reason::Host),
    }
}

fn peer(parts: &Parts, gate: &Gate) -> Result<IpAddr, Reason> {
    if let Some(peer) = &gate.peer {
        let said = panic_capture::guard(|| peer(parts)).unwrap_or_else(|caught| {
            panic_capture::discard(caught.payload);
            None
        });
        return said.map(|ip| ip.to_canonical()).ok_or(Reason::NoPeer);
    }
    if let Some(conn) = parts.conn() {
        if conn.proxy().is_some() {
            return Err(Reason::Proxied);
        }
        return match conn.peer() {
            gateway_core::Addr::Unix(_) => Err(Reason::UnixPeer),
            addr => addr.ip().ok_or(Reason::NoPeer),
        };
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(addr)) = parts
        .extensions
        .get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()
    {
        return Ok(addr.ip().to_canonical());
    }
    Err(Reason::NoPeer)
}

fn forwarding_header(headers: &HeaderMap) -> Option<&'static str> {
    let listed = FORWARDING
        .into_iter()
        .find(|name| headers.contains_key(*name));
    // Whatever else is X-Forwarded-something.
    let other = || {
        headers
            .keys()
            .any(|name| name.as_str().starts_with("x-forwarded-"))
    };
    listed.or_else(|| other().then_some("x-forwarded-*"))
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Loopback,
    /// An address that is not loopback: no name that could be rebound.
    Address,
    Named,
}

/// Of `:authority` and `Host`, each that is there: they must agree, so the worse counts.
fn host(parts: &Parts) -> Option<Host> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let header = hosts
        .next()
        .map(|value| value.to_str().map_or(Host::Named, judge_host));
    if hosts.next().is_some() {
        return Some(Host::Named);
    }
    let authority = parts
        .uri
        .authority()
        .map(|authority| judge_host(authority.as_str()));
    match (header, authority) {
        (Some(header), Some(authority)) => Some(if header == Host::Loopback {
            authority
        } else {
            header
        }),
        (host, None) | (None, host) => host,
    }
}

fn judge_host(authority: &str) -> Host {
    if authority.contains('@') {
        return Host::Named;
    }
    let address = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((v6, rest)) if rest.is_empty() || is_port(rest) => {
            v6.parse::<Ipv6Addr>().ok().map(IpAddr::from)
        }
        Some(_) => None,
        None => {
            let name = match authority.rsplit_once(':') {
                Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
                Some(_) => return Host::Named,
                None => authority,
            };
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            if name == "localhost" || name.ends_with(".localhost") {
                return Host::Loopback;
            }
            name.parse::<Ipv4Addr>().ok().map(IpAddr::from)
        }
    };
    match address {
        Some(address) if address.to_canonical().is_loopback() => Host::Loopback,
        Some(_) => Host::Address,
        None => Host::Named,
    }
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Why, and what mends it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReleaseBuild => f.write_str(
                "this is a build without debug assertions. \
                 To show them in release builds as well: `.development_in_release()`.",
            ),
            Self::NoPeer => f.write_str(
                "it is not known who is asking. With axum: the feature `axum` of \
                 middleware-exceptions and \
                 `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`. \
                 With your own server: put a `gateway_core::ConnInfo` into the request's \
                 extensions, or `.peer_from(|parts| ..)`.",
            ),
            Self::UnixPeer => f.write_str(
                "the request came over a Unix socket, behind which there may be a proxy. \
                 To decide yourself: `.show_details_if(|parts| ..)`.",
            ),
            Self::Peer(peer) => write!(
                f,
                "the peer {peer} is not this machine. To trust it: `.trust_peers(\"{peer}/{}\".parse()?)`.",
                if peer.is_ipv4() { 32 } else { 128 },
            ),
            Self::Proxied => f.write_str(
                "a proxy layer named the client. \
                 To decide yourself: `.show_details_if(|parts| ..)`.",
            ),
            Self::Forwarded(name) => write!(
                f,
                "the request has a `{name}` header, so it came through a proxy and the client \
                 may be anybody. Ask the server directly, or decide yourself: `.show_details_if(|parts| ..)`.",
            ),
            Self::OldVersion => f.write_str(
                "the request is HTTP/1.0, as a proxy sends that names nobody. \
                 Ask the server directly, or decide yourself: `.show_details_if(|parts| ..)`.",
            ),
            Self::Host => f.write_str(
                "its Host is not localhost or a loopback address, so a page of another site may \
                 be asking. Open it as http://localhost, or decide yourself: `.show_details_if(|parts| ..)`.",
            ),
            Self::Closure => f.write_str("`.show_details_if(..)` says no."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_loopback_an_address_or_a_name() {
        let cases = [
            ("localhost", Host::Loopback),
            ("LOCALHOST:8080", Host::Loopback),
            ("app.localhost:1", Host::Loopback),
            ("localhost.", Host::Loopback),
            ("127.0.0.1:80", Host::Loopback),
            ("127.8.9.10", Host::Loopback),
            ("[::1]:8080", Host::Loopback),
            ("[::1]", Host::Loopback),
            ("[::ffff:127.0.0.1]", Host::Loopback),
            ("192.168.1.5:80", Host::Address),
            ("[fe80::1]", Host::Address),
            ("localhost.evil.example", Host::Named),
            ("evil.example", Host::Named),
            ("127.0.0.1.evil.example", Host::Named),
            ("localhost@evil.example", Host::Named),
            ("notlocalhost", Host::Named),
            ("[::1]evil", Host::Named),
            ("[::1", Host::Named),
            ("localhost:evil", Host::Named),
            ("2130706433", Host::Named),
            ("", Host::Named),
        ];
        for (authority, host) in cases {
            assert_eq!(judge_host(authority), host, "{authority}");
        }
    }
}
