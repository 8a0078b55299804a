//! The rules of messages without their bodies: functions of a head.

use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Version, header};

use super::breach::{Reporter, Side};

/// RFC 9110 section 7.6.1: what concerns one connection is the server's, not the application's.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Fields that have one value: a second line is ambiguous (RFC 9110 section 5.3).
const SINGLE: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
];

pub(super) fn request<B>(reporter: &Reporter, request: &Request<B>) {
    let breach = |rule, detail: String| reporter.breach(Side::Gateway, rule, detail);
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());

    let path = uri.path();
    let form = match *method {
        Method::CONNECT => path.is_empty() || path == "/",
        Method::OPTIONS => path == "*" || path.starts_with('/'),
        _ => path.starts_with('/'),
    };
    if !form {
        breach(
            "a target has the form of its method (RFC 9112 section 3.2)",
            uri.to_string(),
        );
    }
    let hosts = headers.get_all(header::HOST).iter().count();
    let old = matches!(request.version(), Version::HTTP_09 | Version::HTTP_10);
    if hosts > 1 || (hosts == 0 && uri.authority().is_none() && !old) {
        let rule = "exactly one Host, or an authority (RFC 9112 section 3.2)";
        breach(rule, format!("{hosts} fields"));
    }
    if headers.contains_key(header::CONTENT_LENGTH)
        && headers.contains_key(header::TRANSFER_ENCODING)
    {
        let rule = "no Content-Length beside Transfer-Encoding (RFC 9112 section 6.3)";
        breach(rule, "both".into());
    }
    lengths(headers, breach);
}

pub(super) fn response<B>(reporter: &Reporter, response: &Response<B>) {
    let breach = |rule, detail: String| reporter.breach(Side::Application, rule, detail);
    let (status, headers) = (response.status(), response.headers());

    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        breach(
            "a final status is not 1xx (RFC 9110 section 15.2)",
            status.to_string(),
        );
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        for name in HOP_BY_HOP.iter().filter(|name| headers.contains_key(*name)) {
            let rule = "no hop-by-hop fields (RFC 9110 section 7.6.1, PEP 3333)";
            breach(rule, name.to_string());
        }
    }
    if headers.contains_key("status") {
        breach(
            "no Status field: it is CGI's, not HTTP's (PEP 3333)",
            "status".into(),
        );
    }
    for name in SINGLE {
        let count = headers.get_all(&name).iter().count();
        if count > 1 {
            breach(
                "one value each (RFC 9110 section 5.3)",
                format!("{name} {count} times"),
            );
        }
    }
    let no_length = status.is_informational() || status == StatusCode::NO_CONTENT;
    if no_length && headers.contains_key(header::CONTENT_LENGTH) {
        let rule = "no Content-Length with 1xx or 204 (RFC 9110 section 8.6)";
        breach(rule, status.to_string());
    }
    for (required, name, rule) in [
        (
            StatusCode::UNAUTHORIZED,
            header::WWW_AUTHENTICATE,
            "401 comes with WWW-Authenticate (RFC 9110 section 15.5.2)",
        ),
        (
            StatusCode::METHOD_NOT_ALLOWED,
            header::ALLOW,
            "405 comes with Allow (RFC 9110 section 15.5.6)",
        ),
        (
            StatusCode::UPGRADE_REQUIRED,
            header::UPGRADE,
            "426 comes with Upgrade (RFC 9110 section 15.5.22)",
        ),
    ] {
        if status == required && !headers.contains_key(&name) {
            breach(rule, "missing".into());
        }
    }
    if status == StatusCode::PARTIAL_CONTENT && !is_partial(headers) {
        let rule = "206 says which part (RFC 9110 section 15.3.7)";
        breach(
            rule,
            "neither Content-Range nor multipart/byteranges".into(),
        );
    }
    if let Some(location) = headers.get(header::LOCATION)
        && location
            .as_bytes()
            .iter()
            .any(|byte| !byte.is_ascii_graphic())
    {
        let rule = "Location is a URI reference (RFC 9110 section 10.2.2)";
        breach(rule, format!("{location:?}"));
    }
    lengths(headers, breach);
}

fn is_partial(headers: &HeaderMap) -> bool {
    let multipart = headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let essence = value.as_bytes().get(..20).unwrap_or(b"");
        essence.eq_ignore_ascii_case(b"multipart/byteranges")
    });
    multipart || headers.contains_key(header::CONTENT_RANGE)
}

fn lengths(headers: &HeaderMap, breach: impl Fn(&'static str, String)) {
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.as_bytes();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            let rule = "Content-Length is digits (RFC 9110 section 8.6)";
            breach(rule, format!("{value:?}"));
        }
    }
}

/// How long a body is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// By Content-Length.
    Exactly(u64),
    /// The status or the method allows none.
    Nothing,
    /// The head does not say.
    Any,
}

/// What Content-Length declares.
pub(super) fn content_length(headers: &HeaderMap) -> Length {
    let value = headers.get(header::CONTENT_LENGTH);
    let declared = value.and_then(|value| value.to_str().ok()?.parse().ok());
    declared.map_or(Length::Any, Length::Exactly)
}

/// How long the body of a response is to be.
pub(super) fn body_length<B>(reporter: &Reporter, response: &Response<B>) -> Length {
    let status = response.status();
    let nothing = reporter.head
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::RESET_CONTENT
        || status == StatusCode::NOT_MODIFIED
        || (status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS);
    if nothing {
        return Length::Nothing;
    }
    content_length(response.headers())
}
