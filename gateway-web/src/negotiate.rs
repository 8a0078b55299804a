//! The language that a client would rather have (RFC 9110 section 12.5.4).

use gateway_core::request::accept::weighted;
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// The best of the languages that are offered, by `Accept-Language` (RFC 4647 section 3.4: `de-CH` is served by
/// `de`). Without the field, the first.
pub(crate) fn language<'o>(headers: &HeaderMap, offered: &[&'o str]) -> Option<&'o str> {
    if !headers.contains_key(ACCEPT_LANGUAGE) {
        return offered.first().copied();
    }
    // Of equal keys `max_by_key` takes the last.
    let liked = offered.iter().rev().filter_map(|&offer| {
        let fits = weighted(headers, &ACCEPT_LANGUAGE).filter_map(|range| {
            let precision = language_range_fits(range.name(), offer)?;
            Some((precision, range.quality()))
        });
        let (precision, quality) = fits.max()?;
        (quality > 0).then_some((offer, (quality, precision)))
    });
    let best = liked.max_by_key(|(_, liking)| *liking);
    best.map(|(offer, _)| offer)
}

/// How many subtags of a language range fit: `de` fits `de-CH`, and `de-CH` fits `de` for want of better.
fn language_range_fits(range: &[u8], offer: &str) -> Option<usize> {
    if range == b"*" {
        return Some(0);
    }
    let mut fit = 0;
    let range = || range.split(|&byte| byte == b'-');
    for (own, offered) in range().zip(offer.split('-')) {
        if !own.eq_ignore_ascii_case(offered.as_bytes()) {
            break;
        }
        fit += 1;
    }
    let shorter = range().count().min(offer.split('-').count());
    (fit == shorter).then_some(fit)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

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
