//! What a client would rather have: the fields `Accept`, `Accept-Language` and their like
//! ([RFC 9110 section 12.5](https://www.rfc-editor.org/rfc/rfc9110#section-12.5)).
//!
//! All values: nothing is allocated, and the time is linear in the length of the fields.

use http::header::{ACCEPT, HeaderMap, HeaderName};

/// How many elements of a field are read, over all its lines. No browser sends as many.
const MOST_ELEMENTS: usize = 100;

/// What media types a client accepts (RFC 9110 section 12.5.1).
///
/// ```
/// use gateway_core::request::accept::Accept;
///
/// let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// let request = http::Request::get("/").header("accept", browser).body(()).unwrap();
/// let accept = Accept::of(request.headers());
/// assert_eq!(accept.best(&["application/json", "text/html"]), Some("text/html"));
/// assert_eq!(accept.preference("image/png").unwrap().quality(), 800);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Accept<'h> {
    headers: &'h HeaderMap,
}

/// How much a client likes a media type: the greater of two is liked better.
///
/// The quality decides. Of equal qualities, a range that names the type is greater than one with a wildcard, which asks for
/// nothing in particular: `application/json, */*` prefers JSON to all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Preference {
    quality: u16,
    precision: usize,
}

impl<'h> Accept<'h> {
    /// What these header fields say. Several field lines are one list.
    #[must_use]
    pub fn of(headers: &'h HeaderMap) -> Self {
        Self { headers }
    }

    /// The media type that the client likes best of these; of equals, the first.
    ///
    /// `None` if the client accepts none of them. Without the field, or with an empty one, it accepts any.
    #[must_use]
    pub fn best<'o>(&self, offered: &[&'o str]) -> Option<&'o str> {
        if !self.says_something() {
            return offered.first().copied();
        }
        // Of equal keys `max_by_key` takes the last.
        let liked = offered.iter().rev().filter_map(|&offer| {
            let preference = self.preference(offer)?;
            (preference.quality > 0).then_some((offer, preference))
        });
        let best = liked.max_by_key(|(_, preference)| *preference);
        best.map(|(offer, _)| offer)
    }

    /// How much the client likes a media type such as `text/html` or `text/plain; format=flowed`: what the most precise range
    /// that fits says of it.
    ///
    /// A range with parameters fits types that have all of them. `charset` does not count, since clients ask for UTF-8 mostly,
    /// where there is nothing else. `None` if no range fits, and without the field.
    #[must_use]
    pub fn preference(&self, media_type: &str) -> Option<Preference> {
        let fits = weighted(self.headers, &ACCEPT).filter_map(|range| {
            let precision = range.precision_for(media_type)?;
            Some((precision, range.quality))
        });
        // Of two ranges that are equally precise, the better quality counts.
        let (precision, quality) = fits.max()?;
        Some(Preference { quality, precision })
    }

    fn says_something(&self) -> bool {
        let lines = self.headers.get_all(ACCEPT).iter();
        let mut bytes = lines.flat_map(|line| line.as_bytes());
        bytes.any(|byte| !matches!(byte, b' ' | b'\t' | b','))
    }
}

impl Preference {
    /// The quality in thousandths, from 0 (refused) to 1000.
    #[must_use]
    pub fn quality(self) -> u16 {
        self.quality
    }

    /// Whether a range without a wildcard says so.
    #[must_use]
    pub fn is_by_name(self) -> bool {
        self.precision >= BY_NAME
    }
}

/// The precision of a range that names a type; each of its parameters adds one. That of `text/*` is 1, that of `*/*` 0.
const BY_NAME: usize = 2;

/// The elements of a list with qualities: of `Accept`, `Accept-Encoding`, `Accept-Language` or another field of the same form.
///
/// Several field lines are one list, of which the first 100 elements count. An element is left out if it is empty or has a
/// quality that is none.
#[inline]
pub fn weighted<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Weighted<'h>> {
    let lines = headers.get_all(name).iter();
    let elements = lines.flat_map(|line| Unquoted::new(line.as_bytes(), b','));
    elements.take(MOST_ELEMENTS).filter_map(Weighted::parse)
}

/// An element of a list with qualities, such as `text/html;level=1;q=0.5`, `gzip;q=0` or `de-CH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighted<'h> {
    name: &'h [u8],
    /// All that follows the name, the quality included.
    parameters: &'h [u8],
    quality: u16,
}

impl<'h> Weighted<'h> {
    /// One element, for a field whose elements have no quoted strings. `None` if it is empty or has a quality that is none.
    #[inline]
    #[must_use]
    pub fn parse(element: &'h [u8]) -> Option<Self> {
        // No name has quotes.
        let (name, parameters) = split_once(element, b';').unwrap_or((element, &[]));
        let name = name.trim_ascii();
        if name.is_empty() {
            return None;
        }
        let weight = match parameters {
            [] => None,
            _ => Unquoted::new(parameters, b';').find_map(weight),
        };
        let quality = weight.map_or(Some(1000), thousandths)?;
        Some(Self {
            name,
            parameters,
            quality,
        })
    }

    /// What is liked, without parameters: `text/html`, `gzip`, `de-CH`, `*`.
    #[must_use]
    pub fn name(self) -> &'h [u8] {
        self.name
    }

    /// The quality in thousandths, from 0 (refused) to 1000, which is the default.
    #[must_use]
    pub fn quality(self) -> u16 {
        self.quality
    }

    /// How precisely a media range fits a media type.
    fn precision_for(self, media_type: &str) -> Option<usize> {
        let mut offer = Unquoted::new(media_type.as_bytes(), b';');
        let (kind, subtype) = split_once(offer.next()?, b'/')?;
        let precision = match split_once(self.name, b'/')? {
            (b"*", b"*") => 0,
            (own, b"*") if own.eq_ignore_ascii_case(kind) => 1,
            (own, rest) if own.eq_ignore_ascii_case(kind) && rest.eq_ignore_ascii_case(subtype) => {
                BY_NAME
            }
            _ => return None,
        };
        let mut wanted = Unquoted::new(self.parameters, b';')
            .take_while(|&part| weight(part).is_none())
            .filter_map(parameter)
            .filter(|(name, _)| !name.eq_ignore_ascii_case(b"charset"));
        wanted.try_fold(precision, |precision, (name, value)| {
            let has = |(its_name, its): (&[u8], &[u8])| {
                its_name.eq_ignore_ascii_case(name) && its.eq_ignore_ascii_case(value)
            };
            let found = Unquoted::new(offer.rest, b';')
                .filter_map(parameter)
                .any(has);
            found.then_some(precision + 1)
        })
    }
}

/// The value of a parameter `q`, in any case.
fn weight(part: &[u8]) -> Option<&[u8]> {
    let (name, value) = parameter(part)?;
    name.eq_ignore_ascii_case(b"q").then_some(value)
}

/// Name and value, without the quotes.
fn parameter(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = split_once(part, b'=')?;
    let value = value.trim_ascii();
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    Some((name.trim_ascii(), unquoted.unwrap_or(value)))
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|&byte| byte == separator)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// RFC 9110 section 12.4.2: `0`, `0.123`, up to `1.000`.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    if !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = decimals.iter().zip([100, 10, 1]);
    let thousandths = digits.map(|(digit, unit)| u16::from(digit - b'0') * unit);
    match (whole, thousandths.sum()) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

/// The parts of a text between separators, without the spaces around them. A separator in a quoted string separates nothing; a
/// string that is not closed ends with the text.
struct Unquoted<'t> {
    rest: &'t [u8],
    separator: u8,
    is_done: bool,
}

impl<'t> Unquoted<'t> {
    fn new(text: &'t [u8], separator: u8) -> Self {
        Self {
            rest: text,
            separator,
            is_done: false,
        }
    }

    #[cold]
    fn end_behind_quotes(&self) -> Option<usize> {
        let (mut is_quoted, mut is_escaped) = (false, false);
        self.rest.iter().position(|&byte| {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = is_quoted,
                b'"' => is_quoted = !is_quoted,
                byte => return byte == self.separator && !is_quoted,
            }
            false
        })
    }
}

impl<'t> Iterator for Unquoted<'t> {
    type Item = &'t [u8];

    #[inline]
    fn next(&mut self) -> Option<&'t [u8]> {
        if self.is_done {
            return None;
        }
        let plain_end = (self.rest.iter()).position(|&byte| byte == self.separator || byte == b'"');
        let end = plain_end.and_then(|end| match self.rest.get(end) {
            Some(b'"') => self.end_behind_quotes(),
            _ => Some(end),
        });
        let (part, rest) = match end.and_then(|end| self.rest.split_at_checked(end)) {
            Some((part, rest)) => (part, rest.get(1..).unwrap_or_default()),
            None => {
                self.is_done = true;
                (self.rest, &[][..])
            }
        };
        self.rest = rest;
        Some(part.trim_ascii())
    }
}
