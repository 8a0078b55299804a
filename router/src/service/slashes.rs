//! Other paths that a slash policy would rather have.

use super::settings::TrailingSlash;

/// The path with the slash at the end that the policy would add, or without the one that it would
/// take off; `text` is what patterns see of it.
pub(crate) fn other_end(policy: TrailingSlash, path: &str, text: &str) -> Option<String> {
    match policy {
        TrailingSlash::Strict => None,
        TrailingSlash::RedirectToSlash => {
            (!text.is_empty() && !text.ends_with('/')).then(|| format!("{path}/"))
        }
        TrailingSlash::RedirectToNoSlash => {
            text.strip_suffix('/').filter(|text| !text.is_empty())?;
            path.strip_suffix('/').map(str::to_owned)
        }
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
