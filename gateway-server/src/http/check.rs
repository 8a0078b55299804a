//! Which request heads are answered without asking the service: the rules that hyper leaves to
//! its user.

use http::uri::Authority;
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, header};

/// The status to refuse the request with, or `None` to accept it.
pub(crate) fn refusal<B>(request: &Request<B>, most_fields: usize) -> Option<StatusCode> {
    let version = request.version();
    let headers = request.headers();
    // hyper counts the fields of HTTP/1 itself, with the same answer.
    if version == Version::HTTP_2 && headers.len() > most_fields {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    if !is_target(request.method(), request.uri(), version) {
        return Some(StatusCode::BAD_REQUEST);
    }
    let mut hosts = 0;
    let mut codings = Codings::default();
    // One pass: it costs less than to look for two names.
    for (name, value) in headers {
        if name == header::HOST {
            hosts += 1;
            if !is_authority(value.as_bytes()) || contradicts(value, request.uri(), version) {
                return Some(StatusCode::BAD_REQUEST);
            }
        } else if name == header::TRANSFER_ENCODING {
            codings.read(value);
        }
    }
    // RFC 9112 section 3.2: 400 to an HTTP/1.1 request without Host, and to any request with more
    // than one or an invalid one.
    let enough = match version {
        Version::HTTP_09 | Version::HTTP_10 => hosts <= 1,
        Version::HTTP_2 | Version::HTTP_3 => {
            hosts == 1 || (hosts == 0 && request.uri().authority().is_some())
        }
        _ => hosts == 1,
    };
    if !enough {
        return Some(StatusCode::BAD_REQUEST);
    }
    codings.refusal()
}

/// Whether the target has a form that the method allows (RFC 9112 section 3.2).
fn is_target(method: &Method, target: &Uri, version: Version) -> bool {
    let is_connect = method == Method::CONNECT;
    if let Some(authority) = target.authority() {
        if !is_host(authority) {
            return false;
        }
        if target.scheme().is_none() {
            // authority-form. A port that is none is to be rejected (RFC 9110 section 9.3.6).
            return is_connect && authority.port_u16().is_some();
        }
    }
    // HTTP/2 has a CONNECT with a scheme and a path too (RFC 8441).
    let is_extended_connect = version == Version::HTTP_2 && target.scheme().is_some();
    (!is_connect || is_extended_connect) && (target.path() != "*" || method == Method::OPTIONS)
}

/// RFC 9110 section 4.2: an `http` URI has a host that is not empty, and no userinfo.
fn is_host(authority: &Authority) -> bool {
    !authority.host().is_empty() && is_authority(authority.as_str().as_bytes())
}

/// RFC 9113 section 8.3.1: a Host that contradicts `:authority` makes a request malformed. In
/// HTTP/1.1 the target wins and Host is ignored (RFC 9112 section 3.2.2).
fn contradicts(host: &HeaderValue, target: &Uri, version: Version) -> bool {
    if version != Version::HTTP_2 {
        return false;
    }
    let Some(authority) = target.authority() else {
        return false;
    };
    let (host, authority) = (host.as_bytes(), authority.as_str().as_bytes());
    let default: &[u8] = match target.scheme_str() {
        Some("https") => b":443",
        _ => b":80",
    };
    !host.eq_ignore_ascii_case(authority)
        && !without_port(host, default).eq_ignore_ascii_case(without_port(authority, default))
}

/// RFC 3986 section 6.2.3: an empty port and the scheme's default are none.
fn without_port<'a>(authority: &'a [u8], default: &[u8]) -> &'a [u8] {
    authority
        .strip_suffix(default)
        .or_else(|| authority.strip_suffix(b":"))
        .unwrap_or(authority)
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2). Both parts may be
/// empty: a target without an authority is sent with an empty Host (RFC 9112 section 3.2).
fn is_authority(value: &[u8]) -> bool {
    // Nearly all there are: a name or an IPv4 address, and perhaps a port.
    let plain = value
        .iter()
        .take_while(|byte| is_unreserved_or_sub_delim(**byte))
        .count();
    match value.get(plain..) {
        Some([]) => true,
        Some([b':', port @ ..]) => port.iter().all(u8::is_ascii_digit),
        _ => is_unusual_authority(value),
    }
}

/// One with an IP literal or percent-encoded bytes in it, or none at all.
fn is_unusual_authority(value: &[u8]) -> bool {
    let (host, port) = match value.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let (literal, after) = rest.split_at(end);
            if !is_ip_literal(literal) {
                return false;
            }
            (&[][..], after.get(1..).unwrap_or_default())
        }
        None => {
            let end = value.iter().position(|byte| *byte == b':');
            value.split_at(end.unwrap_or(value.len()))
        }
    };
    let port_is_valid = match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    port_is_valid && is_encoded_reg_name(host)
}

/// What stands between brackets: an IPv6 address, or `v1.something` (RFC 3986's IPvFuture).
fn is_ip_literal(literal: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(literal) else {
        return false;
    };
    match text.strip_prefix(['v', 'V']) {
        Some(future) => future.split_once('.').is_some_and(|(version, rest)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| is_unreserved_or_sub_delim(byte) || byte == b':')
        }),
        None => text.parse::<std::net::Ipv6Addr>().is_ok(),
    }
}

/// RFC 3986 section 3.2.2: `reg-name`, percent-encoded bytes included.
fn is_encoded_reg_name(mut name: &[u8]) -> bool {
    while let Some((byte, rest)) = name.split_first() {
        name = match (byte, rest) {
            (b'%', [high, low, rest @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest
            }
            (byte, rest) if is_unreserved_or_sub_delim(*byte) => rest,
            _ => return false,
        };
    }
    true
}

fn is_unreserved_or_sub_delim(byte: u8) -> bool {
    // A table, because every byte of every request's Host is checked.
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            #[expect(clippy::indexing_slicing, reason = "below 256, and at compile time")]
            #[expect(clippy::cast_possible_truncation, reason = "below 256")]
            {
                table[byte] = matches!(
                    byte as u8,
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
                        | b'-' | b'.' | b'_' | b'~'
                        | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
                );
            }
            byte += 1;
        }
        table
    };
    TABLE.get(usize::from(byte)).copied().unwrap_or(false)
}

/// The transfer codings of a request.
///
/// hyper has seen that `chunked` comes last, and where Content-Length came too it has dropped that
/// and closes afterwards, as RFC 9112 section 6.1 says. Left to us: a coding that we do not know is
/// 501 (section 6.1), and `chunked` twice is no message (section 6.1 too).
#[derive(Debug, Default)]
struct Codings {
    chunked: usize,
    unknown: bool,
}

impl Codings {
    fn read(&mut self, value: &HeaderValue) {
        for coding in value.as_bytes().split(|byte| *byte == b',') {
            match coding.trim_ascii() {
                // An empty element means nothing (RFC 9110 section 5.6.1.2).
                b"" => {}
                coding if coding.eq_ignore_ascii_case(b"chunked") => self.chunked += 1,
                _ => self.unknown = true,
            }
        }
    }

    fn refusal(&self) -> Option<StatusCode> {
        if self.unknown {
            Some(StatusCode::NOT_IMPLEMENTED)
        } else {
            (self.chunked > 1).then_some(StatusCode::BAD_REQUEST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for valid in [
            "",
            "a",
            "a.example",
            "a.example:80",
            "a.example:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "[v1.a:b]",
            "xn--bcher-kva.example",
            "a_b",
            "%41",
            "sub!delims",
        ] {
            assert!(is_authority(valid.as_bytes()), "{valid:?}");
        }
        for invalid in [
            "a b",
            "a/b",
            "user@a",
            "a:80:80",
            "a:b",
            "[::1",
            "[::1]x",
            "[1.2.3.4]",
            "[v.x]",
            "::1",
            "%4",
            "%zz",
            "a?b",
            "a#b",
            "a\\b",
            "\u{e9}",
            "<a>",
            "a\tb",
            "[]",
        ] {
            assert!(!is_authority(invalid.as_bytes()), "{invalid:?}");
        }
    }
}
