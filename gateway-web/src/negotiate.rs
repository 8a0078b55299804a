//! What a client would rather have (RFC 9110 section 12.5).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderName};

/// How many field lines, and how many elements of each, are read. What lies beyond is no browser's.
const MOST_LINES: usize = 8;
const MOST_ELEMENTS: usize = 64;

/// The best of the media types that are offered, by `Accept` (RFC 9110 section 12.5.1).
///
/// The most precise range that fits a type decides its quality; the highest quality wins, of equals the one that
/// a range names most precisely, and of those the first that is offered. Without the field, the first.
pub(crate) fn media_type<'o>(headers: &HeaderMap, offered: &[&'o str]) -> Option<&'o str> {
    if !headers.contains_key(ACCEPT) {
        return offered.first().copied();
    }
    let ranges: Vec<_> = elements(headers, &ACCEPT).collect();
    best(offered, |offer| {
        let fits = ranges.iter().filter_map(|range| {
            let precision = media_range_fits(range.name, offer)?;
            Some((precision, range.quality))
        });
        // Of two ranges of one precision, the better.
        fits.max().map(|(precision, quality)| (quality, precision))
    })
}

/// The best of the languages that are offered, by `Accept-Language` (RFC 4647 section 3.4: `de-CH` is served by
/// `de`). Without the field, the first.
pub(crate) fn language<'o>(headers: &HeaderMap, offered: &[&'o str]) -> Option<&'o str> {
    if !headers.contains_key(ACCEPT_LANGUAGE) {
        return offered.first().copied();
    }
    let ranges: Vec<_> = elements(headers, &ACCEPT_LANGUAGE).collect();
    best(offered, |offer| {
        let fits = ranges.iter().filter_map(|range| {
            let precision = language_range_fits(range.name, offer)?;
            Some((precision, range.quality))
        });
        fits.max().map(|(precision, quality)| (quality, precision))
    })
}

/// The first of those with the best score; none with quality 0.
fn best<'o>(offered: &[&'o str], score: impl Fn(&str) -> Option<(u16, usize)>) -> Option<&'o str> {
    let mut best: Option<(&str, (u16, usize))> = None;
    for &offer in offered {
        if let Some(score) = score(offer).filter(|(quality, _)| *quality > 0)
            && best.is_none_or(|(_, known)| score > known)
        {
            best = Some((offer, score));
        }
    }
    best.map(|(offer, _)| offer)
}

/// One element of a list with qualities.
struct Element<'a> {
    name: &'a str,
    /// In thousandths.
    quality: u16,
}

fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Element<'a>> {
    let lines = headers.get_all(name).iter().take(MOST_LINES);
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(',').take(MOST_ELEMENTS))
        .filter_map(element)
}

fn element(element: &str) -> Option<Element<'_>> {
    let mut parts = element.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let quality = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(Some(1000), |(_, value)| thousandths(value.trim()))?;
    Some(Element { name, quality })
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

/// How precisely a media range fits a type: 0 for `*/*`, 1 for `text/*`, 2 for the type itself.
fn media_range_fits(range: &str, offer: &str) -> Option<usize> {
    let (kind, subtype) = offer.split(';').next()?.trim().split_once('/')?;
    match range.split_once('/')? {
        ("*", "*") => Some(0),
        (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
        (own, rest) if own.eq_ignore_ascii_case(kind) && rest.eq_ignore_ascii_case(subtype) => {
            Some(2)
        }
        _ => None,
    }
}

/// How many subtags of a language range fit: `de` fits `de-CH`, and `de-CH` fits `de` for want of better.
fn language_range_fits(range: &str, offer: &str) -> Option<usize> {
    if range == "*" {
        return Some(0);
    }
    let mut fit = 0;
    for (own, offered) in range.split('-').zip(offer.split('-')) {
        if !own.eq_ignore_ascii_case(offered) {
            break;
        }
        fit += 1;
    }
    let shorter = range.split('-').count().min(offer.split('-').count());
    (fit == shorter).then_some(fit)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_best_of_what_is_offered_is_chosen() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let offers = ["text/html", "application/json"];
        for (accept, chosen) in [
            ("*/*", Some("text/html")),
            (chrome, Some("text/html")),
            ("application/json", Some("application/json")),
            ("application/json, */*", Some("application/json")),
            (
                "application/json;q=0.2, text/html;q=0.1",
                Some("application/json"),
            ),
            ("text/html;q=0, */*", Some("application/json")),
            (
                "text/*;q=0.5, APPLICATION/JSON;q=0.6",
                Some("application/json"),
            ),
            ("image/png", None),
            ("text/html;q=0", None),
            ("text/html;q=nonsense", None),
            (";;,/,=", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(media_type(&headers, &offers), chosen, "{accept}");
        }
        assert_eq!(media_type(&HeaderMap::new(), &offers), Some("text/html"));
    }

    #[test]
    fn a_language_is_served_by_its_kin() {
        for (accepted, chosen) in [
            ("de-CH, en;q=0.8", Some("de")),
            ("fr, *;q=0.1", Some("en")),
            ("fr", None),
            ("pt", Some("pt-BR")),
            ("en;q=0.1, de;q=0.9", Some("de")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            let offered = ["en", "de", "pt-BR"];
            assert_eq!(language(&headers, &offered), chosen, "{accepted}");
        }
    }
}
