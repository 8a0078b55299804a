//! The request of a failure as a command, for a person to run. Nothing here sends it.

use std::fmt::Write as _;

use gateway_core::secrets::REDACTED;
use http::Method;

use crate::request::summary::RequestSummary;

/// Headers that curl writes itself, or that speak of this one connection.
const CURLS_OWN: [&str; 8] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "accept-encoding",
    "upgrade",
    "te",
    "expect",
];

/// `None` where too little is known: in production, where headers are not kept.
///
/// Headers with a secret are left out; what was redacted within a text stays marked as that. The body is not known.
pub(crate) fn command(request: &RequestSummary) -> Option<String> {
    let host = request.headers().iter().find(|(name, _)| name == "host");
    let (_, host) = host?;
    let mut command = String::from("curl --globoff");
    // Writing to a string does not fail.
    _ = match *request.method() {
        Method::GET => Ok(()),
        Method::HEAD => write!(command, " --head"),
        ref method => write!(command, " -X {}", quoted(method.as_str())),
    };
    for (name, value) in request.headers() {
        let is_secret = value.contains(REDACTED);
        if !is_secret && !CURLS_OWN.contains(&name.as_str()) {
            _ = write!(command, " -H {}", quoted(&format!("{name}: {value}")));
        }
    }
    // The absolute form has a host of its own.
    let url = match request.path().strip_prefix('/') {
        Some(_) => format!("http://{host}{}", request.path()),
        None => request.path().to_owned(),
    };
    _ = write!(command, " {}", quoted(&url));
    Some(command)
}

/// One word for a POSIX shell: within single quotes nothing is special but the quote.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, path: &str, headers: &[(&str, &str)]) -> Option<String> {
        let headers = headers.iter();
        command(&RequestSummary {
            method,
            path: path.into(),
            version: None,
            headers: headers
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        })
    }

    #[test]
    fn a_request_is_one_command_without_its_secrets() {
        let headers = [
            ("host", "127.0.0.1:8080"),
            ("authorization", "[redacted]"),
            ("accept", "text/html"),
            ("content-length", "5"),
        ];
        assert_eq!(
            of(Method::POST, "/orders?q=1&token=[redacted]", &headers).unwrap(),
            "curl --globoff -X 'POST' -H 'accept: text/html' \
             'http://127.0.0.1:8080/orders?q=1&token=[redacted]'"
        );
    }

    #[test]
    fn no_word_ends_before_its_end() {
        let headers = [("host", "a"), ("x-name", "O'Brien; rm -rf ~ $(x) `y`")];
        assert_eq!(
            of(Method::GET, "/'", &headers).unwrap(),
            r"curl --globoff -H 'x-name: O'\''Brien; rm -rf ~ $(x) `y`' 'http://a/'\'''"
        );
    }

    #[test]
    fn without_a_host_there_is_none() {
        assert_eq!(of(Method::GET, "/", &[]), None);
    }
}
