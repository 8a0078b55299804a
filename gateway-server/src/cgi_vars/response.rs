//! The head of a response as a CGI-like front end reads it: RFC 3875 6.
//!
//! Pure: what the application said goes in, bytes come out.

use http::header::{CONNECTION, CONTENT_LENGTH, LOCATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::framing::Framing;

/// Writes the head of a response that is sent as `framing` says.
pub(crate) fn encode_head(
    status: StatusCode,
    headers: &HeaderMap,
    framing: Framing,
    out: &mut Vec<u8>,
) {
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
    if let Some(length) = framing.length {
        line(out, "content-length", length.to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
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
