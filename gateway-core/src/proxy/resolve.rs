use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::forwarded;
use super::trust::Trust;
use super::{address, prefix};
use crate::request::Addr;

/// The fields that are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// X-Forwarded-For, -Proto, -Host, -Port, -Prefix.
    XForwarded,
    /// RFC 7239.
    Forwarded,
}

/// What trusted proxies say of a request. `None` is what they say nothing of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) client: Option<Addr>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<Authority>,
    pub(crate) prefix: Option<String>,
}

/// What the proxies of a request say, whose nearest one is trusted already.
pub(crate) fn resolve(family: Family, trust: &Trust, headers: &HeaderMap) -> Word {
    match family {
        Family::XForwarded => x_forwarded(trust, headers),
        Family::Forwarded => rfc_7239(trust, headers),
    }
}

/// How far a walk from the right has come.
struct Walk<'a> {
    trust: &'a Trust,
    client: Option<Addr>,
}

impl Walk<'_> {
    /// Takes the next address to the left. Whether the one after it is worth reading.
    fn step(&mut self, node: Option<&str>) -> bool {
        let Some(addr) = node.and_then(address::parse) else {
            // The trusted proxy does not say who it was. Not the proxy itself, certainly.
            self.client = Some(Addr::Unknown);
            return false;
        };
        self.client = Some(Addr::Ip(addr));
        self.trust.has_ip(addr.ip())
    }
}

fn x_forwarded(trust: &Trust, headers: &HeaderMap) -> Word {
    let mut walk = Walk {
        trust,
        client: None,
    };
    for node in from_the_right(headers, &FOR) {
        if !walk.step(node) {
            break;
        }
    }
    // Of the other fields, what the nearest proxy wrote: it is one that is trusted. How many of the
    // values further left are proxies' cannot be told by the number of addresses, as a proxy may
    // add to one list and pass another on as it came from the client.
    let said = |name| from_the_right(headers, name).next().flatten();
    let scheme = said(&PROTO).and_then(scheme);
    let port = said(&PORT).and_then(|port| port.parse().ok());
    Word {
        host: said(&HOST).and_then(|host| authority(host, port, scheme.as_ref())),
        prefix: said(&PREFIX).and_then(prefix::parse).map(str::to_owned),
        client: walk.client,
        scheme,
    }
}

fn rfc_7239(trust: &Trust, headers: &HeaderMap) -> Word {
    let mut walk = Walk {
        trust,
        client: None,
    };
    let mut word = Word::default();
    'walk: for line in headers.get_all(&FORWARDED).iter().rev() {
        let Some(elements) = line.to_str().ok().and_then(forwarded::parse) else {
            word.client = Some(Addr::Unknown);
            return word;
        };
        for element in elements.into_iter().rev() {
            let goes_on = walk.step(element.node.as_deref());
            word.scheme = element.proto.as_deref().and_then(scheme);
            let host = element.host.as_deref();
            word.host = host.and_then(|host| authority(host, None, None));
            if !goes_on {
                break 'walk;
            }
        }
    }
    word.client = walk.client;
    word
}

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
static FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// The elements of all lines of a list, the last one first; `None` for one that is no text. An
/// empty one counts: a proxy may have written it, for a client that has no address.
fn from_the_right<'a>(
    headers: &'a HeaderMap,
    name: &'a HeaderName,
) -> impl Iterator<Item = Option<&'a str>> {
    let lines = headers.get_all(name).into_iter().rev();
    lines
        .flat_map(|line: &HeaderValue| line.as_bytes().rsplit(|byte| *byte == b','))
        .map(|element| std::str::from_utf8(element.trim_ascii()).ok())
}

fn scheme(text: &str) -> Option<Scheme> {
    match text {
        _ if text.eq_ignore_ascii_case("https") => Some(Scheme::HTTPS),
        _ if text.eq_ignore_ascii_case("http") => Some(Scheme::HTTP),
        _ => None,
    }
}

/// Host and port. A port said apart counts where the host has none and it is not the scheme's own.
fn authority(host: &str, port: Option<u16>, scheme: Option<&Scheme>) -> Option<Authority> {
    let authority: Authority = host.parse().ok()?;
    let own_port = authority.as_str().strip_prefix(authority.host())?;
    let is_sound = match own_port.strip_prefix(':') {
        Some(digits) => digits.is_empty() || digits.parse::<u16>().is_ok(),
        // Anything else would be userinfo.
        None => own_port.is_empty(),
    };
    if !is_sound || authority.host().is_empty() {
        return None;
    }
    let usual = if scheme == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    match port {
        Some(port) if own_port.is_empty() && port != usual => {
            format!("{authority}:{port}").parse().ok()
        }
        Some(_) | None => Some(authority),
    }
}
