//! What is never shown to anybody.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

pub(crate) const REDACTED: &str = "[redacted]";

/// Headers that are secret by what they are.
const HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
];

/// Parts of names that say what the value is.
const MARKS: [&str; 8] = [
    "token", "secret", "key", "auth", "session", "csrf", "pass", "pwd",
];

/// Whether the value of this header is kept out of everything.
pub(crate) fn is_secret_header(name: &str) -> bool {
    HEADERS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
        || is_secret_name(name)
}

/// Whether a header, query or form field of this name is kept out of everything.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    MARKS.iter().any(|mark| name.contains(mark))
}

/// A path with its query, the values of secret fields left out.
pub(crate) fn redacted_path(path_and_query: &str) -> Cow<'_, str> {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return Cow::Borrowed(path_and_query);
    };
    let fields: Vec<_> = query.split('&').map(redacted_field).collect();
    if fields.iter().all(|field| matches!(field, Cow::Borrowed(_))) {
        return Cow::Borrowed(path_and_query);
    }
    Cow::Owned(format!("{path}?{}", fields.join("&")))
}

fn redacted_field(field: &str) -> Cow<'_, str> {
    // Some servers split at `;` too: a name may hide behind one.
    let Some((name, _)) = field.split_once('=') else {
        return Cow::Borrowed(field);
    };
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    if is_secret_name(&decoded) || field.split(';').skip(1).any(is_secret_name) {
        Cow::Owned(format!("{name}={REDACTED}"))
    } else {
        Cow::Borrowed(field)
    }
}

/// A header value for show: `Referer` and the like carry URLs, with userinfo and queries.
pub(crate) fn redacted_value(value: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = value.split_once("://") else {
        return redacted_path(value);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((_, host)) => ("[redacted]@", host),
        None => ("", authority),
    };
    let path = redacted_path(path);
    if userinfo.is_empty() && matches!(path, Cow::Borrowed(_)) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("{scheme}://{userinfo}{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "set-cookie",
            "X-Api-Key",
            "x-csrf-token",
            "X-Auth-Request-User",
            "session_id",
            "user_password",
            "PWD",
            "client_secret",
            "X-Amz-Security-Token",
        ] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in [
            "host",
            "accept",
            "user-agent",
            "content-type",
            "x-request-id",
        ] {
            assert!(!is_secret_header(name), "{name}");
        }
    }

    #[test]
    fn query_fields_with_secret_names_lose_their_values() {
        let cases = [
            ("/orders/7?token=abc", "/orders/7?token=[redacted]"),
            (
                "/a?x=1&Access_Token=abc&y=2",
                "/a?x=1&Access_Token=[redacted]&y=2",
            ),
            ("/a?to%6ben=abc", "/a?to%6ben=[redacted]"),
            ("/a?x=1;token=abc", "/a?x=[redacted]"),
            ("/a?x=1&y", "/a?x=1&y"),
            ("/plain", "/plain"),
            ("*", "*"),
        ];
        for (path, shown) in cases {
            assert_eq!(redacted_path(path), shown, "{path}");
        }
    }

    #[test]
    fn urls_in_headers_lose_userinfo_and_secret_fields() {
        let cases = [
            (
                "https://u:p@host/a?key=1#f",
                "https://[redacted]@host/a?key=[redacted]",
            ),
            ("http://u@host", "http://[redacted]@host"),
            ("http://host/a@b", "http://host/a@b"),
            ("text/html, */*", "text/html, */*"),
        ];
        for (value, shown) in cases {
            assert_eq!(redacted_value(value), shown, "{value}");
        }
    }
}
