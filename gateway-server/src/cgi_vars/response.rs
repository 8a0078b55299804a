//! The head of a response as a CGI-like front end reads it: RFC 3875 6.
//!
//! Pure: what the application said goes in, bytes and a plan for the body come out.

use std::fmt;

use http::header::{CONNECTION, CONTENT_LENGTH, LOCATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Method, StatusCode};

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyPlan {
    /// Nothing, whatever the application's body holds (HEAD, 204, 304).
    Nothing,
    /// Exactly so many bytes: Content-Length says so.
    Exactly(u64),
    /// Whatever the body holds, to its end.
    ToTheEnd,
}

/// Why a response cannot be sent through a CGI-like front end; a 500 goes in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// 1xx: there is no connection to the client to switch or to continue on.
    Informational,
    /// A Content-Length that is no number, or two that differ.
    ContentLength,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Informational => "a front end takes no informational status and no upgrade",
            Self::ContentLength => "its Content-Length is not one number",
        })
    }
}

/// Writes the head to `out` and says what must follow it.
///
/// `exact` is the body's length where it is known.
pub(crate) fn encode_head(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    exact: Option<u64>,
    out: &mut Vec<u8>,
) -> Result<BodyPlan, Unsendable> {
    if status.is_informational() {
        return Err(Unsendable::Informational);
    }
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let declared = content_length(headers)?;
    let plan = match (bodiless || method == Method::HEAD, declared.or(exact)) {
        (true, _) | (false, Some(0)) => BodyPlan::Nothing,
        (false, Some(length)) => BodyPlan::Exactly(length),
        (false, None) => BodyPlan::ToTheEnd,
    };

    // Always said, 200 too: a Location without it is a redirect inside the front end (RFC 3875 6.2.2).
    out.extend_from_slice(b"Status: ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // Apache wants a reason; for codes that have none, any will do.
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        if name == CONTENT_LENGTH || hop_by_hop(name) || listed_in_connection(name, headers) {
            continue;
        }
        // Apache and mod_fcgid take a path in Location on a 200 for a redirect inside the server,
        // Status or not, and would fetch that path in the response's place.
        if name == LOCATION && status == StatusCode::OK && value.as_bytes().starts_with(b"/") {
            continue;
        }
        line(out, name.as_str(), value.as_bytes());
    }
    // RFC 9110 8.6: not on a 204; on a HEAD or a 304, what the application said and no guess of ours.
    let length = match plan {
        BodyPlan::Nothing if status == StatusCode::NO_CONTENT => None,
        BodyPlan::Nothing if bodiless || method == Method::HEAD => {
            declared.or(exact.filter(|length| !bodiless && *length > 0))
        }
        BodyPlan::Nothing => Some(0),
        BodyPlan::Exactly(length) => Some(length),
        BodyPlan::ToTheEnd => None,
    };
    if let Some(length) = length {
        line(out, "content-length", length.to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(plan)
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// RFC 3875 6.3.4: fields about the connection are the front end's. `Status` is a field of CGI,
/// and an application that sets one by this name must not change the status line.
fn hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == TRAILER
        || *name == TE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "status")
}

/// RFC 9110 7.6.1: what Connection names is for this hop only.
fn listed_in_connection(name: &HeaderName, headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|option| {
            option
                .trim_ascii()
                .eq_ignore_ascii_case(name.as_str().as_bytes())
        })
}

/// RFC 9110 8.6: the same length said twice is one length, two lengths are none.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Unsendable> {
    let mut found = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let length = value
            .to_str()
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or(Unsendable::ContentLength)?;
        if found.is_some_and(|other| other != length) {
            return Err(Unsendable::ContentLength);
        }
        found = Some(length);
    }
    Ok(found)
}
