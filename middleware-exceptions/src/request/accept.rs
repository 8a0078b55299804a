//! Which of the three formats a client would rather have.

use http::{HeaderMap, header::ACCEPT};

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
    /// RFC 9110 section 12.5.1: the media range that fits best decides the quality of a type, and
    /// the highest quality wins. Ties go to text, then HTML: but a range with a wildcard
    /// wants nothing in particular, and loses against one that names a type.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let ranges: Vec<Range<'_>> = headers
            .get_all(ACCEPT)
            .iter()
            .take(8)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').take(64))
            .filter_map(Range::parse)
            .collect();
        let mut best = (Self::Text, (0, 0));
        for format in [Self::Text, Self::Html, Self::Problem] {
            let wanted = format
                .types()
                .iter()
                .filter_map(|(kind, subtype)| {
                    let fits = ranges.iter().filter(|range| range.fits(kind, subtype));
                    let range = fits.max_by_key(|range| range.precision)?;
                    // What is not sent as that type must be named.
                    let is_stand_in = *subtype == "xhtml+xml" && range.precision < 2;
                    (!is_stand_in).then_some((range.quality, range.precision))
                })
                .max();
            if let Some(wanted) = wanted
                && wanted.0 > 0
                && wanted > best.1
            {
                best = (format, wanted);
            }
        }
        best.0
    }

    fn types(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Text => &[("text", "plain")],
            Self::Html => &[("text", "html"), ("application", "xhtml+xml")],
            // A client that asks for plain JSON gets this as well.
            Self::Problem => &[("application", "problem+json"), ("application", "json")],
        }
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

struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
    /// 0 for `*/*`, 1 for `text/*`, 2 for `text/plain`.
    precision: u8,
}

impl<'a> Range<'a> {
    fn parse(range: &'a str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1000), |(_, value)| thousandths(value.trim()))?;
        let precision = match (kind, subtype) {
            ("*", _) => 0,
            (_, "*") => 1,
            _ => 2,
        };
        Some(Self {
            kind,
            subtype,
            quality,
            precision,
        })
    }

    fn fits(&self, kind: &str, subtype: &str) -> bool {
        (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }
}

/// RFC 9110 section 12.4.2: `0`, `0.123` up to `1.000`.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    Some((whole * 1000 + decimals).min(1000))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
