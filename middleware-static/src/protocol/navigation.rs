//! Whether a request is a navigation to a page, rather than a fetch by one.

use gateway_core::request::accept::{Weighted, weighted};
use http::{HeaderMap, header};

/// Whether a request for `path` is one for a page.
///
/// Browsers say so by Fetch Metadata. Of other clients, those that name HTML want a page; those that take anything
/// (link previews, curl) want one where the path does not end like a file.
pub(crate) fn is_navigation(fields: &HeaderMap, path: &str) -> bool {
    if let Some(mode) = fields.get("sec-fetch-mode") {
        return mode == "navigate";
    }
    match Wish::of(fields) {
        Wish::Page => true,
        Wish::Anything => !has_ending(path),
        Wish::Other => false,
    }
}

/// What `Accept` says of pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// HTML by name.
    Page,
    /// Nothing in particular.
    Anything,
    /// Something else, such as an image or JSON.
    Other,
}

impl Wish {
    fn of(fields: &HeaderMap) -> Self {
        weighted(fields, &header::ACCEPT)
            .filter_map(Self::of_range)
            .fold(Self::Anything, |wish, range| match (wish, range) {
                (Self::Page, _) | (_, Self::Page) => Self::Page,
                (Self::Other, _) | (_, Self::Other) => Self::Other,
                (Self::Anything, Self::Anything) => Self::Anything,
            })
    }

    /// `None` for a refusal of something else than a page.
    fn of_range(range: Weighted<'_>) -> Option<Self> {
        let is = |kind: &str| range.name().eq_ignore_ascii_case(kind.as_bytes());
        let refused = range.quality() == 0;
        if is("text/html") || is("application/xhtml+xml") {
            Some(if refused { Self::Other } else { Self::Page })
        } else if is("*/*") || is("text/*") {
            (!refused).then_some(Self::Anything)
        } else {
            (!refused).then_some(Self::Other)
        }
    }
}

/// Whether a path ends like a file: letters and digits behind the last dot, not digits alone (`/v1.2`).
fn has_ending(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(_, ending)| {
        ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && ending.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn a_browser_says_whether_it_navigates() {
        for (mode, accept, path, navigates) in [
            ("navigate", "", "/report.pdf", true),
            ("cors", BROWSER, "/users", false),
            ("no-cors", "*/*", "/users", false),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert("sec-fetch-mode", HeaderValue::from_static(mode));
            fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(is_navigation(&fields, path), navigates, "{mode} {path}");
        }
    }

    #[test]
    fn other_clients_want_a_page_if_they_name_it_or_the_path_is_no_files() {
        for (accept, path, navigates) in [
            // Browsers before Fetch Metadata.
            (Some(BROWSER), "/users/42", true),
            (Some(BROWSER), "/users/jane.doe", true),
            (Some("text/css,*/*;q=0.1"), "/users/42", false),
            (
                Some("image/avif,image/webp,image/*,*/*;q=0.8"),
                "/users/42",
                false,
            ),
            // curl, Slackbot, facebookexternalhit.
            (Some("*/*"), "/users/42", true),
            (Some("*/*;q=0.9"), "/", true),
            (Some("*/*"), "/app.js", false),
            (Some("*/*"), "/assets/index-B3f9c1a7.css", false),
            (Some("*/*"), "/film.mp4", false),
            (Some("*/*"), "/docs/v1.2", true),
            (Some("*/*"), "/docs.old/intro", true),
            (Some("*/*"), "/done.", true),
            (None, "/users/42", true),
            (None, "/app.js", false),
            (Some(""), "/users/42", true),
            (Some("text/*"), "/users/42", true),
            // axios, and clients that want anything but a page.
            (
                Some("application/json, text/plain, */*"),
                "/users/42",
                false,
            ),
            (Some("text/html;q=0, */*"), "/users/42", false),
            (Some("*/*;q=0, image/png"), "/users/42", false),
            (Some("application/json"), "/users/42", false),
        ] {
            let mut fields = HeaderMap::new();
            if let Some(accept) = accept {
                fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(is_navigation(&fields, path), navigates, "{accept:?} {path}");
        }
    }
}
