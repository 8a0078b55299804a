//! The cookies that a client sent.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;

/// Every cookie, name and value, in the order sent. HTTP/2 may split them over several fields (RFC 9113 section
/// 8.2.3). Values are percent-decoded; what is no cookie, or decodes to no UTF-8, is left out.
pub(crate) fn all(headers: &HeaderMap) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    raw(headers).filter_map(|(name, value)| {
        let decoded = |text| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .ok()
        };
        Some((decoded(name)?, decoded(unquoted(value))?))
    })
}

/// The values of all cookies `name`: a browser may hold several, for several paths, and sends that of the longest
/// path first (RFC 6265 section 5.4).
pub(crate) fn named<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = Cow<'h, str>> {
    let named = all(headers).filter(move |(own, _)| own == name);
    named.map(|(_, value)| value)
}

/// The value of the first cookie `name`.
pub(crate) fn first<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    named(headers, name).next()
}

fn raw(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.get_all(COOKIE).iter();
    fields
        .filter_map(|field| str::from_utf8(field.as_bytes()).ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .filter(|(name, _)| !name.is_empty())
}

/// RFC 6265 section 4.1.1 allows quotes around a value.
fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_of_all_fields_are_read_in_order() {
        let mut headers = HeaderMap::new();
        for field in ["a=1; b=\"2\"", "; =x; noise; a=3; c=%C3%A9; d=%FF; e=a=b"] {
            headers.append(COOKIE, HeaderValue::from_static(field));
        }
        let found: Vec<_> = all(&headers).collect();
        let expected = [("a", "1"), ("b", "2"), ("a", "3"), ("c", "é"), ("e", "a=b")];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.into(), value.into()))
        );
        assert_eq!(first(&headers, "a").unwrap(), "1");
        assert_eq!(named(&headers, "a").count(), 2);
    }
}
