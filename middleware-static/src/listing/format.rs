//! Which of the two a client would rather have.

use http::{HeaderMap, HeaderValue, header};

/// What a listing is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

impl Format {
    /// JSON for clients that prefer it to a page.
    pub(crate) fn of(fields: &HeaderMap) -> Self {
        let weight = |kind: &str| {
            let ranges = fields
                .get_all(header::ACCEPT)
                .iter()
                .flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
            let weights = ranges.filter_map(|range| media_range(range, kind));
            weights
                .max_by_key(|&(exactness, _)| exactness)
                .map_or(0, |(_, weight)| weight)
        };
        if weight("application/json") > weight("text/html") {
            Self::Json
        } else {
            Self::Html
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        })
    }

    /// A page made of names that strangers may have chosen runs nothing and loads nothing, should a name ever slip through.
    pub(crate) fn security_policy(self) -> Option<HeaderValue> {
        const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
        (self == Self::Html).then_some(HeaderValue::from_static(POLICY))
    }
}

/// How exactly a media range means this type, and its weight in thousandths.
fn media_range(range: &[u8], kind: &str) -> Option<(u8, u16)> {
    let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let family = kind.split('/').next().unwrap_or_default();
    let exactness = if name.eq_ignore_ascii_case(kind.as_bytes()) {
        2
    } else if name
        .strip_suffix(b"/*")
        .is_some_and(|start| start.eq_ignore_ascii_case(family.as_bytes()))
    {
        1
    } else if name == b"*/*" {
        0
    } else {
        return None;
    };
    let weight = crate::protocol::negotiate::quality(parts)?;
    Some((exactness, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_who_would_rather_have_it() {
        for (accept, format) in [
            ("", Format::Html),
            ("*/*", Format::Html),
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
