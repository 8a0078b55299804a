//! Which of the three formats a client would rather have.

use gateway_core::request::accept::{Accept, Preference};
use http::HeaderMap;

/// How a failure is written for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// `text/plain; charset=utf-8`: for curl, logs and clients that do not ask.
    #[default]
    Text,
    /// `text/html; charset=utf-8`.
    Html,
    /// `application/problem+json` (RFC 9457).
    Problem,
}

impl Format {
    /// The format that the client likes best. Of equals text, then HTML.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let accept = Accept::of(headers);
        // Of equal keys `max_by_key` takes the last.
        [Self::Problem, Self::Html, Self::Text]
            .into_iter()
            .filter_map(|format| Some((format, format.preference(accept)?)))
            .filter(|(_, preference)| preference.quality() > 0)
            .max_by_key(|(_, preference)| *preference)
            .map_or(Self::Text, |(format, _)| format)
    }

    fn preference(self, accept: Accept<'_>) -> Option<Preference> {
        let (sent, named) = match self {
            Self::Text => ("text/plain", None),
            Self::Html => ("text/html", Some("application/xhtml+xml")),
            // A client that asks for plain JSON gets this as well.
            Self::Problem => ("application/problem+json", Some("application/json")),
        };
        // What is not sent as that type must be named.
        let named = named.and_then(|kind| accept.preference(kind));
        let named = named.filter(|preference| preference.is_by_name());
        accept.preference(sent).max(named)
    }

    /// The `Content-Type` of it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Problem => "application/problem+json",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::ACCEPT};

    use super::*;

    #[test]
    fn accept_decides_the_format() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
                      image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
        let cases = [
            ("", Format::Text),
            ("*/*", Format::Text),
            (chrome, Format::Html),
            ("text/html", Format::Html),
            ("TEXT/HTML", Format::Html),
            ("application/json", Format::Problem),
            ("application/problem+json", Format::Problem),
            ("application/json, text/plain, */*", Format::Text),
            ("application/json, */*", Format::Problem),
            ("text/*", Format::Text),
            ("application/*", Format::Problem),
            ("application/xhtml+xml", Format::Html),
            ("text/html;q=0.5, text/plain;q=0.4", Format::Html),
            ("text/html;q=0, */*", Format::Text),
            ("text/html;q=0.1, application/json;q=0.2", Format::Problem),
            ("image/png", Format::Text),
            ("text/html;q=nonsense", Format::Text),
            (";;,/,=", Format::Text),
        ];
        for (accept, format) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Format::accepted(&headers), format, "{accept}");
        }
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Text);
    }
}
