//! Sets the user's header fields on answers, whether or not they are files.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::settings::Settings;

/// Fields that describe the bytes of a file, and would be wrong on an answer with other bytes or none.
const OF_A_FILE: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
];

/// Sets the user's fields on a file, in place of ours of the same name.
pub(crate) fn on_file(settings: &Settings, head: &mut HeaderMap) {
    for (name, value) in &settings.headers {
        if name == header::VARY {
            vary(head, value);
        } else {
            head.insert(name.clone(), value.clone());
        }
    }
}

/// The default for HTML: clients ask whether it has changed. Without the field they guess from an old date that it will not
/// change soon (RFC 9111 4.2.2), and show the page of a former release, whose files may be gone.
pub(crate) fn on_page(head: &mut HeaderMap) {
    let is_page = head.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes().split(|&byte| byte == b';').next();
        let kind = kind.unwrap_or_default().trim_ascii();
        kind.eq_ignore_ascii_case(b"text/html")
            || kind.eq_ignore_ascii_case(b"application/xhtml+xml")
    });
    if is_page && !head.contains_key(header::CACHE_CONTROL) {
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
}

/// Sets the user's fields on an answer that is no file, where it has no field of that name yet.
pub(crate) fn on_other(settings: &Settings, head: &mut HeaderMap) {
    for (name, value) in &settings.headers {
        if name == header::VARY {
            vary(head, value);
        } else if !OF_A_FILE.contains(name) && !head.contains_key(name) {
            head.insert(name.clone(), value.clone());
        }
    }
}

/// Sets `Cache-Control` by the user's rules on an answer that is no file. A file may be there tomorrow, so a
/// rule with `immutable` becomes `no-cache`.
pub(crate) fn caching(settings: &Settings, path: &[u8], head: &mut HeaderMap) {
    let Some(value) = settings.cache_control(path) else {
        return;
    };
    if !head.contains_key(header::CACHE_CONTROL) {
        head.insert(header::CACHE_CONTROL, for_now(value));
    }
}

/// The value without `immutable`: with it, `no-cache` instead.
pub(crate) fn for_now(value: HeaderValue) -> HeaderValue {
    let mut directives = value.as_bytes().split(|&byte| byte == b',');
    if directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"immutable")) {
        HeaderValue::from_static("no-cache")
    } else {
        value
    }
}

/// Adds a name to `Vary`, beside ours.
pub(crate) fn vary(head: &mut HeaderMap, value: &HeaderValue) {
    let present = head.get(header::VARY);
    let names = |value: &HeaderValue| -> Vec<Vec<u8>> {
        let names = value.as_bytes().split(|&byte| byte == b',');
        names
            .map(|name| name.trim_ascii().to_ascii_lowercase())
            .collect()
    };
    let known = present.map(names).unwrap_or_default();
    let new: Vec<_> = names(value)
        .into_iter()
        .filter(|name| !name.is_empty() && !known.contains(name))
        .collect();
    if new.is_empty() {
        return;
    }
    let all = [known, new].concat().join(&b", "[..]);
    if let Ok(all) = HeaderValue::from_bytes(&all) {
        head.insert(header::VARY, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_vary_are_added_once() {
        for (ours, theirs, all) in [
            ("", "Origin", "origin"),
            ("accept-encoding", "Origin", "accept-encoding, origin"),
            (
                "accept-encoding",
                "accept-Encoding, origin,",
                "accept-encoding, origin",
            ),
            ("accept", "*", "accept, *"),
            ("accept", "", "accept"),
        ] {
            let mut head = HeaderMap::new();
            if !ours.is_empty() {
                head.insert(header::VARY, HeaderValue::from_static(ours));
            }
            vary(&mut head, &HeaderValue::from_static(theirs));
            assert_eq!(head[header::VARY], all);
        }
    }
}
