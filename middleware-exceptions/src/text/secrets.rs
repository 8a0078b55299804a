//! What is never shown to anybody.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

pub(crate) const REDACTED: &str = "[redacted]";

/// Parts of names that say what the value is.
const MARKS: [&str; 13] = [
    "token",
    "secret",
    "key",
    "auth",
    "session",
    "csrf",
    "pass",
    "pwd",
    "cookie",
    "credential",
    "signature",
    "bearer",
    "jwt",
];

/// A value may be a URL, with another URL among its fields. So deep it is looked into.
const DEPTH: u8 = 3;

/// Whether a header, query or form field of this name is kept out of everything.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    MARKS.iter().any(|mark| name.contains(mark))
}

/// A path with its query, or the value of a header, for show: without the values of fields and members with secret
/// names and without the userinfo of URLs, wherever in it they are.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    redacted_at(text, 0)
}

fn redacted_at(text: &str, depth: u8) -> Cow<'_, str> {
    then(
        then(without_members(text), without_userinfo),
        |text: &str| without_fields(text, depth),
    )
}

fn then<'a>(text: Cow<'a, str>, next: impl Fn(&str) -> Cow<'_, str>) -> Cow<'a, str> {
    match next(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(text) => Cow::Owned(text),
    }
}

/// JSON, or what looks like it: all that follows the first member with a secret name is left out, because its
/// value may be nested, escaped or cut.
fn without_members(text: &str) -> Cow<'_, str> {
    let is_quote = |c| c == '"' || c == '\'';
    for (at, _) in text.match_indices(':') {
        let (before, _) = split(text, Some(at));
        let Some(name) = before.trim_end().strip_suffix(is_quote) else {
            continue;
        };
        // A string in a string: `\"name\"`.
        let name = name.trim_end_matches('\\');
        let name = name.rsplit(is_quote).next().unwrap_or(name);
        // An escape may hide any name.
        if name.contains('\\') || is_secret_name(&decoded(name)) {
            return Cow::Owned(format!("{before}:{REDACTED}"));
        }
    }
    Cow::Borrowed(text)
}

fn without_userinfo(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut is_changed = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"<>".contains(c));
        let (authority, path) = split(after, end);
        shown.extend([before, "://"]);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                is_changed = true;
                shown.extend([REDACTED, "@", host]);
            }
            None => shown.push_str(authority),
        }
        rest = path;
    }
    shown.push_str(rest);
    if is_changed {
        Cow::Owned(shown)
    } else {
        Cow::Borrowed(text)
    }
}

/// Pairs of `name=value`, as in queries, forms and parameters.
fn without_fields(text: &str, depth: u8) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut is_changed = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        shown.extend([before, "="]);
        // Some servers split at `;` too: a name may hide behind one.
        let name = before
            .rsplit(|c: char| c.is_whitespace() || "?&;#,\"'".contains(c))
            .next()
            .unwrap_or(before);
        let ends = |c: char| c.is_whitespace() || "&#".contains(c);
        let end = match after.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map(|end| end + 2),
            None => after.find(ends),
        };
        let (value, following) = split(after, end);
        let is_secret = is_secret_name(&decoded(name)) || {
            let inner = decoded(value);
            matches!(inner, Cow::Owned(_))
                && depth < DEPTH
                && matches!(redacted_at(&inner, depth + 1), Cow::Owned(_))
        };
        if is_secret {
            is_changed = true;
            shown.push_str(REDACTED);
            rest = following;
        } else {
            // Unlike a secret value, another may hold the next name.
            rest = after;
        }
    }
    shown.push_str(rest);
    if is_changed {
        Cow::Owned(shown)
    } else {
        Cow::Borrowed(text)
    }
}

fn split(text: &str, at: Option<usize>) -> (&str, &str) {
    text.split_at_checked(at.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
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
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "host",
            "accept",
            "user-agent",
            "content-type",
            "x-request-id",
        ] {
            assert!(!is_secret_name(name), "{name}");
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
            ("/a?x=1;token=abc", "/a?x=1;token=[redacted]"),
            ("/a?token=a;b,c&x=1", "/a?token=[redacted]&x=1"),
            (
                "/a?user[secret]=1&secret[a]=2",
                "/a?user[secret]=[redacted]&secret[a]=[redacted]",
            ),
            ("/a?=1&&&=&x", "/a?=1&&&=&x"),
            ("/a?next=http://u:p@h/b", "/a?next=http://[redacted]@h/b"),
            ("/a?next=%2Fb%3Ftoken%3D1&x=1", "/a?next=[redacted]&x=1"),
            ("/a?next=http%3A%2F%2Fu%3Ap%40h", "/a?next=[redacted]"),
            (
                "/a?next=%2Fb%3Fn%3D%252Fc%253Ftoken%253D1",
                "/a?next=[redacted]",
            ),
            ("/a?next=%2Fb%3Fx%3D1", "/a?next=%2Fb%3Fx%3D1"),
            ("/a?x=1&y", "/a?x=1&y"),
            ("/plain", "/plain"),
            ("*", "*"),
        ];
        for (path, shown) in cases {
            assert_eq!(redacted(path), shown, "{path}");
        }
    }

    #[test]
    fn urls_in_headers_lose_userinfo_and_secret_fields() {
        let cases = [
            (
                "https://u:p@host/a?key=1#f",
                "https://[redacted]@host/a?key=[redacted]#f",
            ),
            (
                "http://h/a#access_token=1&x=2",
                "http://h/a#access_token=[redacted]&x=2",
            ),
            (
                "<http://h>, <http://u:p@h>",
                "<http://h>, <http://[redacted]@h>",
            ),
            ("user=bob&password=1", "user=bob&password=[redacted]"),
            (
                r#"Digest realm="a", token="b c", x="d""#,
                r#"Digest realm="a", token=[redacted], x="d""#,
            ),
            ("text/html;q=0.9, */*;q=0.8", "text/html;q=0.9, */*;q=0.8"),
            ("http://u@host", "http://[redacted]@host"),
            ("http://host/a@b", "http://host/a@b"),
            ("text/html, */*", "text/html, */*"),
        ];
        for (value, shown) in cases {
            assert_eq!(redacted(value), shown, "{value}");
        }
    }

    #[test]
    fn json_is_cut_at_the_first_member_with_a_secret_name() {
        let cases = [
            (r#"{"password":"x"}"#, r#"{"password":[redacted]"#),
            (
                r#"{"user":"bob", "Api-Key" : ["x", "y"], "z": 1}"#,
                r#"{"user":"bob", "Api-Key" :[redacted]"#,
            ),
            (r#"{\"token\": \"x\"}"#, r#"{\"token\":[redacted]"#),
            ("{'token': 'x'}", "{'token':[redacted]"),
            (r#"{"pass\u0077ord":"x"}"#, r#"{"pass\u0077ord":[redacted]"#),
            (r#"/a?f={"token":"x"}&x=1"#, r#"/a?f={"token":[redacted]"#),
            (
                "/a?f=%7B%22token%22%3A%22x%22%7D&x=1",
                "/a?f=[redacted]&x=1",
            ),
            (
                r#"{"user":"bob","at":"10:30"}"#,
                r#"{"user":"bob","at":"10:30"}"#,
            ),
            (r#"W/"auth:1""#, r#"W/"auth:1""#),
            ("auth.example:8080", "auth.example:8080"),
        ];
        for (value, shown) in cases {
            assert_eq!(redacted(value), shown, "{value}");
        }
    }
}
