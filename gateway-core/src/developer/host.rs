//! Whom a request asks for, read strictly: what two readers may read differently is no loopback host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, Uri, header};

/// The host that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// `localhost`, a name below it, or a loopback address.
    Loopback,
    /// An address that is not loopback: no name that could be rebound.
    Address(IpAddr),
    /// Any other name, none, more than one, or what is no `host[:port]`.
    Other,
}

impl Host {
    /// Of Host and authority: one of them, or both and the same.
    pub(super) fn asked(uri: &Uri, headers: &HeaderMap) -> Self {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (host, second) = (hosts.next(), hosts.next());
        if second.is_some() {
            return Self::Other;
        }
        match (host, uri.authority()) {
            (Some(host), Some(authority)) => {
                let same = host
                    .as_bytes()
                    .eq_ignore_ascii_case(authority.as_str().as_bytes());
                if same {
                    Self::of(authority.as_str())
                } else {
                    Self::Other
                }
            }
            (Some(host), None) => host.to_str().map_or(Self::Other, Self::of),
            (None, Some(authority)) => Self::of(authority.as_str()),
            (None, None) => Self::Other,
        }
    }

    /// Of `host[:port]` (RFC 9110 section 7.2), without the liberties that URLs allow: no userinfo, no empty
    /// port, no number that stands for an address, no zone.
    pub(super) fn of(authority: &str) -> Self {
        if let Some(rest) = authority.strip_prefix('[') {
            let Some((address, rest)) = rest.split_once(']') else {
                return Self::Other;
            };
            return match address.parse::<Ipv6Addr>() {
                Ok(address) if is_port_or_nothing(rest) => Self::at(address.into()),
                _ => Self::Other,
            };
        }
        let end = authority.find(':').unwrap_or(authority.len());
        let (name, rest) = authority.split_at(end);
        if !is_port_or_nothing(rest) {
            return Self::Other;
        }
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Self::at(address.into());
        }
        if is_localhost(name) {
            Self::Loopback
        } else {
            Self::Other
        }
    }

    fn at(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if address.is_loopback() {
            Self::Loopback
        } else {
            Self::Address(address)
        }
    }
}

/// `localhost` and the names below it, which resolve to loopback everywhere (RFC 6761 section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut labels = name.rsplit('.');
    labels
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
        && labels.all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.bytes().all(is_part)
}

fn is_port_or_nothing(rest: &str) -> bool {
    match rest.strip_prefix(':') {
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_loopback_an_address_or_something_else() {
        let address = |text: &str| Host::Address(text.parse().unwrap());
        let cases = [
            ("localhost", Host::Loopback),
            ("LOCALHOST:8080", Host::Loopback),
            ("app.localhost:1", Host::Loopback),
            ("a_b.app.LocalHost", Host::Loopback),
            ("localhost.", Host::Loopback),
            ("127.0.0.1:80", Host::Loopback),
            ("127.8.9.10", Host::Loopback),
            ("[::1]:8080", Host::Loopback),
            ("[::1]", Host::Loopback),
            ("[::ffff:127.0.0.1]", Host::Loopback),
            ("192.168.1.5:80", address("192.168.1.5")),
            ("[fe80::1]", address("fe80::1")),
            ("0.0.0.0:8080", address("0.0.0.0")),
            ("[::]", address("::")),
            ("[::ffff:10.0.0.1]", address("10.0.0.1")),
        ];
        for (authority, host) in cases {
            assert_eq!(Host::of(authority), host, "{authority}");
        }
        let others = [
            "localhost.evil.example",
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "127.0.0.1.",
            "127.1",
            "0177.0.0.1",
            "127.0.0.01",
            "2130706433",
            "0x7f000001",
            "localhost@evil.example",
            "localhost:x@evil.example",
            "evil.example@localhost",
            "notlocalhost",
            "[::1]evil.example",
            "[::1]evil",
            "[::1]:80evil",
            "[::1",
            "::1",
            "[::1%lo]",
            "[::1%25lo]",
            "[127.0.0.1]",
            "[localhost]",
            "localhost:evil",
            "localhost:",
            "localhost:65536",
            "localhost:+80",
            "localhost:80:80",
            "localhost, evil.example",
            "evil.example, x.localhost",
            "evil.example/x.localhost",
            "evil.example#.localhost",
            ".localhost",
            "a..localhost",
            "localhost..",
            " localhost",
            "localhost ",
            "local\thost",
            ".",
            ":80",
            "",
        ];
        for authority in others {
            assert_eq!(Host::of(authority), Host::Other, "{authority}");
        }
    }
}
