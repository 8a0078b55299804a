//! Relative references to another spelling of the same path.
//!
//! Relative, so that they are right below any mount, ours or not, and behind a
//! proxy that strips a prefix; and so that a path such as `//evil.example/` can
//! never become the name of a host.

/// To the same path with a slash behind it, or without the one it has.
pub(crate) fn to_other_end(path: &str) -> Option<String> {
    let without = path.strip_suffix('/');
    let last = without
        .unwrap_or(path)
        .rsplit('/')
        .next()
        .filter(|last| is_plain(last))?;
    match without {
        Some(_) => Some(format!("../{last}")),
        None => (!last.is_empty()).then(|| format!("./{last}/")),
    }
}

/// The path with one slash for each run of them; `None` if there is no run.
pub(crate) fn merged(path: &str) -> Option<String> {
    if !path.contains("//") {
        return None;
    }
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    Some(merged)
}

/// From `path` to the path with its slashes merged.
pub(crate) fn to_merged(path: &str, merged: &str) -> Option<String> {
    // A header of hundreds of `../` helps nobody who sends such a path.
    let up = path.bytes().filter(|&b| b == b'/').count() - 1;
    if up > 64 || !path.split('/').all(is_plain) {
        return None;
    }
    Some(format!("{}{}", "../".repeat(up), merged.strip_prefix('/')?))
}

/// `http` lets UTF-8 through in a path, and not in a header.
pub(crate) fn ascii(reference: &str) -> String {
    percent_encoding::utf8_percent_encode(reference, percent_encoding::CONTROLS).to_string()
}

/// Whether a client leaves the segment as it is (RFC 3986, section 5.2.4).
fn is_plain(segment: &str) -> bool {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    plain != "." && plain != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_from_the_path_to_its_other_spelling() {
        assert_eq!(to_other_end("/a/b").as_deref(), Some("./b/"));
        assert_eq!(to_other_end("/a:b").as_deref(), Some("./a:b/"));
        assert_eq!(to_other_end("/a/.."), None);
        assert_eq!(to_other_end("/%2E%2e"), None);
        assert_eq!(to_other_end("/a/b/").as_deref(), Some("../b"));
        assert_eq!(
            to_other_end("//evil.example/").as_deref(),
            Some("../evil.example")
        );
        assert_eq!(merged("/a//b///").as_deref(), Some("/a/b/"));
        assert_eq!(to_merged("/a//b", "/a/b").as_deref(), Some("../../a/b"));
        assert_eq!(
            to_merged("//evil.example", "/evil.example").as_deref(),
            Some("../evil.example")
        );
        assert_eq!(to_merged(&"/".repeat(100), "/"), None);
    }
}
