//! Whatever target, Host and other fields say: the judge does not panic, takes nothing but a loopback host for one,
//! and no field that is added opens what was closed.
#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use gateway_core::developer::{Facts, Owner, judge};
use gateway_core::request::{Addr, Arrival, ConnInfo};
use http::{HeaderName, HeaderValue, Request, Uri, Version, request::Parts};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = [
    "host",
    "origin",
    "sec-fetch-site",
    "x-forwarded-for",
    "cf-ray",
    "via",
    "cookie",
    "x-original-host",
];

/// The first line is the target, the others are fields: a byte for the name, or `n` and the name itself.
fn request(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let uri = Uri::try_from(lines.next()?).ok()?;
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = uri;
    for line in lines {
        let Some((which, rest)) = line.split_first() else {
            continue;
        };
        let (name, value) = match which {
            b'n' => {
                let colon = rest.iter().position(|byte| *byte == b':')?;
                let (name, value) = rest.split_at(colon);
                (HeaderName::from_bytes(name).ok()?, &value[1..])
            }
            which => {
                let name = NAMES[usize::from(*which) % NAMES.len()];
                (HeaderName::from_static(name), rest)
            }
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            parts.headers.append(name, value);
        }
    }
    let peer = SocketAddr::from(([127, 0, 0, 1], 4242));
    let conn = ConnInfo::new(peer, Addr::Unknown);
    parts.extensions.insert(Arrival::over(conn));
    Some(parts)
}

fn is_shown(parts: &Parts) -> bool {
    let owner = Owner::User {
        uid: 1000,
        name: None,
    };
    judge(&Facts::of(parts).with_owner(Some(1000), owner)).is_ok()
}

/// Read in another way than the judge does: from the end, and by what is allowed to be there.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => {
            assert!(port.parse::<u16>().is_ok(), "{host}");
            name
        }
        _ => host,
    };
    let v6 = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(v6) = v6 {
        let ip: Ipv6Addr = v6.parse().unwrap_or(Ipv6Addr::UNSPECIFIED);
        return ip.to_canonical().is_loopback();
    }
    let lower = name.to_ascii_lowercase();
    let is_name = lower == "localhost"
        || lower == "localhost."
        || lower.ends_with(".localhost")
        || lower.ends_with(".localhost.");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    is_name && name.bytes().all(is_plain) || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
}

fuzz_target!(|data: &[u8]| {
    let Some(mut parts) = request(data) else {
        return;
    };
    if !is_shown(&parts) {
        // Nothing that is added opens it, but the Host that was not there.
        let had_host = parts.headers.contains_key("host") || parts.uri.authority().is_some();
        for (name, value) in [
            ("origin", "http://localhost"),
            ("sec-fetch-site", "same-origin"),
            ("host", "localhost"),
        ] {
            parts.headers.append(name, HeaderValue::from_static(value));
            assert!(!is_shown(&parts) || (name == "host" && !had_host));
        }
        return;
    }
    assert!(parts.headers.get_all("host").iter().count() <= 1);
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let host = parts
        .headers
        .get("host")
        .map(|host| host.to_str().expect("text"));
    assert!(authority.is_some() || host.is_some());
    for host in authority.into_iter().chain(host) {
        assert!(is_loopback(host), "{host}");
    }
    for name in [
        "x-forwarded-for",
        "cf-ray",
        "via",
        "x-original-host",
        "forwarded",
    ] {
        assert!(!parts.headers.contains_key(name), "{name}");
    }
    for origin in parts.headers.get_all("origin") {
        let origin = origin.to_str().expect("text");
        let (scheme, host) = origin.split_once("://").expect("an origin");
        assert!(scheme == "http" || scheme == "https");
        assert!(is_loopback(host), "{origin}");
    }
    // Each of these closes it.
    for (name, value) in [
        ("host", "localhost"),
        ("origin", "null"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("forwarded", "for=_p"),
    ] {
        let mut worse = parts.clone();
        worse.headers.append(name, HeaderValue::from_static(value));
        let is_second = name != "host" || host.is_some();
        assert!(!is_shown(&worse) || !is_second, "{name}: {value}");
    }
    parts.version = Version::HTTP_10;
    assert!(!is_shown(&parts));
});
