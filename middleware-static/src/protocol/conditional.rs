//! Preconditions: `If-Match` and its relatives against the validators of a representation ([RFC 9110 13]).
//!
//! [RFC 9110 13]: https://www.rfc-editor.org/rfc/rfc9110#section-13

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, header};

use crate::EntityTag;

/// How a request with preconditions is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on as if there were no precondition.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412: a precondition of the client does not hold.
    Failed,
}

/// The validators of a representation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validators<'a> {
    /// The `ETag`, where there is one.
    pub etag: Option<&'a EntityTag>,
    /// `Last-Modified` in seconds since 1970, where there is one.
    pub last_modified: Option<u64>,
    /// Whether `Last-Modified` may be compared strongly: the file was not changed a moment ago ([RFC 9110 8.8.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.2.2)).
    pub last_modified_is_strong: bool,
}

/// Evaluates the preconditions of a request in the order of [RFC 9110 13.2.2], `If-Range` left to [`range_applies`].
///
/// [RFC 9110 13.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2
#[must_use]
pub fn evaluate(method: &Method, fields: &HeaderMap, validators: Validators<'_>) -> Decision {
    let reading = matches!(*method, Method::GET | Method::HEAD);
    let Validators {
        etag,
        last_modified,
        ..
    } = validators;
    let (mut if_match, mut if_none_match) = (None, None);
    let (mut unmodified_since, mut modified_since) = (Lines::None, Lines::None);
    // One walk over the few fields of a request is cheaper than a search for each of the four. Lines of the same
    // name are one list.
    for (name, line) in fields {
        if *name == header::IF_NONE_MATCH {
            *if_none_match.get_or_insert(false) |= lists(line, etag, EntityTag::weak_eq);
        } else if *name == header::IF_MODIFIED_SINCE {
            modified_since.add(line);
        } else if *name == header::IF_MATCH {
            *if_match.get_or_insert(false) |= lists(line, etag, EntityTag::strong_eq);
        } else if *name == header::IF_UNMODIFIED_SINCE {
            unmodified_since.add(line);
        }
    }

    // Step 1, and step 2 only in its absence.
    let holds = if_match.unwrap_or_else(|| {
        let since = last_modified.zip(unmodified_since.date());
        since.is_none_or(|(modified, limit)| modified <= limit)
    });
    if !holds {
        return Decision::Failed;
    }

    // Step 3, and step 4 only in its absence: If-None-Match overrides If-Modified-Since (13.1.3).
    let known = if_none_match.unwrap_or_else(|| {
        let since = last_modified.zip(modified_since.date());
        reading && since.is_some_and(|(modified, limit)| modified <= limit)
    });
    match known {
        false => Decision::Proceed,
        true if reading => Decision::NotModified,
        true => Decision::Failed,
    }
}

/// Whether `If-Range` allows a part of the representation to be sent ([RFC 9110 13.1.5]): strong comparison
/// of a tag, or exactly the date of a `Last-Modified` that is strong.
///
/// [RFC 9110 13.1.5]: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5
#[must_use]
pub fn range_applies(if_range: &HeaderValue, validators: Validators<'_>) -> bool {
    let value = if_range.as_bytes().trim_ascii();
    if value.starts_with(b"\"") || value.starts_with(b"W/") {
        return validators.etag.is_some_and(|etag| etag.strong_eq(value));
    }
    validators.last_modified_is_strong
        && parse_date(value).is_some_and(|date| validators.last_modified == Some(date))
}

/// Whether a line of a list of tags is `*` or has a tag that compares equal.
fn lists(
    line: &HeaderValue,
    etag: Option<&EntityTag>,
    equal: fn(&EntityTag, &[u8]) -> bool,
) -> bool {
    // `*` is true of every representation that exists, with or without a tag.
    line.as_bytes().trim_ascii() == b"*"
        || etag.is_some_and(|etag| {
            let mut tags = Tags {
                rest: line.as_bytes(),
            };
            tags.any(|tag| equal(etag, tag))
        })
}

/// The tags of one line. A comma may stand inside a tag, so splitting at commas will not do; the list ends
/// where its syntax does.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self
            .rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let (_, tag) = self.rest.split_at_checked(start)?;
        let opaque = tag.strip_prefix(b"W/").unwrap_or(tag).strip_prefix(b"\"")?;
        let close = opaque.iter().position(|&byte| byte == b'"')?;
        let length = tag.len() - opaque.len() + close + 1;
        let (tag, rest) = tag.split_at_checked(length)?;
        self.rest = rest;
        Some(tag)
    }
}

/// The lines of a field that holds one date.
#[derive(Clone, Copy)]
enum Lines<'a> {
    None,
    One(&'a HeaderValue),
    Several,
}

impl<'a> Lines<'a> {
    fn add(&mut self, line: &'a HeaderValue) {
        *self = match self {
            Self::None => Self::One(line),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    /// In seconds; `None` for no field, several lines, or no date: each is to be ignored (13.1.3, 13.1.4).
    fn date(self) -> Option<u64> {
        match self {
            Self::One(line) => parse_date(line.as_bytes().trim_ascii()),
            Self::None | Self::Several => None,
        }
    }
}

fn parse_date(value: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    date.duration_since(UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs())
}

/// Seconds since 1970 as the value of a date field; `None` past the year 9999, which the format cannot say.
pub(crate) fn format_date(seconds: u64) -> Option<HeaderValue> {
    const YEAR_10000: u64 = 253_402_300_800;
    if seconds >= YEAR_10000 {
        return None;
    }
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(text).ok()
}
