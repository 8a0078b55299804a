//! Where to go next.

use gateway_core::{Environ, Reply};
use http::{Method, StatusCode};

/// 303 after a request that changes something, 302 after one that reads (RFC 9110 sections 15.4.3 and 15.4.4).
pub(crate) fn redirect(environ: &Environ, location: &str) -> Reply {
    let status = match *environ.method() {
        Method::GET | Method::HEAD => StatusCode::FOUND,
        _ => StatusCode::SEE_OTHER,
    };
    Reply::status(status).header("location", location)
}

/// Whether a URL that came from a client stays on this site: a path, and nothing that a browser reads as
/// another host.
///
/// Browsers take `\` for `/`, and drop tabs and line breaks wherever they stand (WHATWG URL, section 4.4).
pub(crate) fn is_local(target: &str) -> bool {
    let second = target.as_bytes().get(1);
    target.starts_with('/')
        && !matches!(second, Some(b'/'))
        && !target
            .bytes()
            .any(|byte| byte == b'\\' || !(b'!'..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_site_is_local() {
        for target in ["/", "/books/3?page=2#top", "/a//b", "/caf%C3%A9"] {
            assert!(is_local(target), "{target}");
        }
        for target in [
            "",
            "books",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil.example",
            "/a b",
            "/caf\u{e9}",
        ] {
            assert!(!is_local(target), "{target:?}");
        }
    }
}
