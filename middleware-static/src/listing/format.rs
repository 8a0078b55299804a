//! Whether a client prefers a page or JSON.

use gateway_core::request::accept::Accept;
use http::{HeaderMap, HeaderValue};

/// What a listing is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

impl Format {
    /// JSON for clients that prefer it to a page.
    pub(crate) fn of(fields: &HeaderMap) -> Self {
        match Accept::of(fields).best(&["text/html", "application/json"]) {
            Some("application/json") => Self::Json,
            _ => Self::Html,
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        })
    }

    /// The page runs and loads nothing, should a name that a stranger chose ever slip through unescaped.
    pub(crate) fn security_policy(self) -> Option<HeaderValue> {
        const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
        (self == Self::Html).then_some(HeaderValue::from_static(POLICY))
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn json_is_for_who_would_rather_have_it() {
        for (accept, format) in [
            ("", Format::Html),
            ("*/*", Format::Html),
            ("application/json, */*", Format::Json),
            ("application/json", Format::Json),
            ("application/json, text/html", Format::Html),
            ("application/json, text/html;q=0.5", Format::Json),
            ("application/json, */*;q=0.1", Format::Json),
            ("application/*", Format::Json),
            ("application/json, text/html;q=.1", Format::Json),
            ("application/json, */*;q=1.5", Format::Json),
            ("application/json;q=high", Format::Html),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Format::Html,
            ),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Format::of(&fields), format, "{accept}");
        }
    }
}
