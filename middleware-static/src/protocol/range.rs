//! Byte ranges: which part of a representation a `Range` field asks for ([RFC 9110 14]).
//!
//! [RFC 9110 14]: https://www.rfc-editor.org/rfc/rfc9110#section-14

/// At most this many parts in one answer; a request for more gets the whole representation.
///
/// PDF readers and media players ask for one to a dozen. A response of many tiny parts costs the server far
/// more than the client ([RFC 9110 17.15](https://www.rfc-editor.org/rfc/rfc9110#section-17.15)).
pub const MAX_PARTS: usize = 32;

/// A field with more specs than this is ignored as an attack.
const MAX_SPECS: usize = 256;

/// Some bytes of a representation: from `start` to `end`, the latter not included. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// How many bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(self) -> u64 {
        self.end - self.start
    }
}

/// What a `Range` field selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything: the field is ignored, since its unit is unknown, its syntax wrong, or it asks for too much.
    Whole,
    /// One range: a 206 with `Content-Range`.
    One(ByteRange),
    /// Several ranges that do not touch, in the order asked for: a 206 of `multipart/byteranges`.
    Several(Vec<ByteRange>),
    /// None of the ranges exists: 416.
    Unsatisfiable,
}

impl Selection {
    /// Reads the value of a `Range` field for a representation of `length` bytes.
    ///
    /// ```
    /// use middleware_static::range::{ByteRange, Selection};
    ///
    /// assert_eq!(Selection::parse(b"bytes=-3", 10), Selection::One(ByteRange { start: 7, end: 10 }));
    /// assert_eq!(Selection::parse(b"lines=1-2", 10), Selection::Whole);
    /// ```
    #[must_use]
    pub fn parse(value: &[u8], length: u64) -> Self {
        let Some(specs) = specs(value) else {
            return Self::Whole;
        };
        let mut ranges = Vec::new();
        let mut any = false;
        for (count, spec) in specs.enumerate() {
            // RFC 9110 14.2: one wrong spec makes the whole field invalid, and an invalid field may be ignored.
            let Some(spec) = Spec::parse(spec) else {
                return Self::Whole;
            };
            if count >= MAX_SPECS {
                return Self::Whole;
            }
            any = true;
            match spec.within(length) {
                Resolved::Range(range) => ranges.push(range),
                Resolved::Nothing => {}
                // RFC 9110 14.1.2: a suffix of an empty representation is all of it, and so is what begins where it
                // begins; `Content-Range` cannot say so.
                Resolved::AllOfNothing => return Self::Whole,
            }
        }
        match coalesce(ranges) {
            _ if !any => Self::Whole,
            ranges if ranges.len() > MAX_PARTS => Self::Whole,
            ranges => match *ranges {
                [] => Self::Unsatisfiable,
                [range] => Self::One(range),
                _ => Self::Several(ranges),
            },
        }
    }
}

/// The elements of the list behind `bytes=`; empty ones are allowed ([RFC 9110 5.6.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1.2)).
fn specs(value: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let (unit, set) = value.split_at_checked(5)?;
    // RFC 9110 14.1: names of units are case-insensitive.
    let set = set
        .strip_prefix(b"=")
        .filter(|_| unit.eq_ignore_ascii_case(b"bytes"))?;
    let trimmed = set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    Some(trimmed.filter(|spec| !spec.is_empty()))
}

enum Spec {
    /// `first-` or `first-last`.
    From { first: u64, last: Option<u64> },
    /// `-length`.
    Suffix { length: u64 },
}

enum Resolved {
    Range(ByteRange),
    Nothing,
    AllOfNothing,
}

impl Spec {
    fn parse(spec: &[u8]) -> Option<Self> {
        let dash = spec.iter().position(|&byte| byte == b'-')?;
        let (first, last) = spec.split_at_checked(dash)?;
        let last = last.strip_prefix(b"-")?;
        match (first, last) {
            (b"", length) => Some(Self::Suffix {
                length: number(length)?,
            }),
            (first, b"") => Some(Self::From {
                first: number(first)?,
                last: None,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From {
                    first,
                    last: Some(last),
                })
            }
        }
    }

    fn within(&self, length: u64) -> Resolved {
        let (start, end) = match *self {
            Self::Suffix { length: 1.. } | Self::From { first: 0, .. } if length == 0 => {
                return Resolved::AllOfNothing;
            }
            Self::Suffix { length: suffix } => (length.saturating_sub(suffix), length),
            Self::From { first, last: None } => (first, length),
            Self::From {
                first,
                last: Some(last),
            } => (first, last.saturating_add(1).min(length)),
        };
        if start < end {
            Resolved::Range(ByteRange { start, end })
        } else {
            Resolved::Nothing
        }
    }
}

/// A number of digits only, with or without leading zeros. One too large for a `u64` is past the end of any file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    Some(value.unwrap_or(u64::MAX))
}

/// Joins ranges that overlap or touch, so that together they are never longer than the representation. A small
/// gap is left alone, though RFC 9110 15.3.7.2 would allow it to be sent: a client that asked for two parts gets two.
/// Each joined range stands where its first member stood (RFC 9110 15.3.7.2).
fn coalesce(mut ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    if ranges.len() < 2 {
        return ranges;
    }
    let mut order: Vec<(usize, ByteRange)> = ranges.drain(..).enumerate().collect();
    order.sort_by_key(|(_, range)| range.start);
    let mut joined: Vec<(usize, ByteRange)> = Vec::with_capacity(order.len());
    for (asked, range) in order {
        match joined.last_mut() {
            Some((first, last)) if range.start <= last.end => {
                last.end = last.end.max(range.end);
                *first = asked.min(*first);
            }
            _ => joined.push((asked, range)),
        }
    }
    joined.sort_by_key(|&(asked, _)| asked);
    ranges.extend(joined.into_iter().map(|(_, range)| range));
    ranges
}
