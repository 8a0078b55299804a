//! Entity tags ([RFC 9110 8.8.3]).
//!
//! [RFC 9110 8.8.3]: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3

use http::HeaderValue;

/// The value of an `ETag` field, as `"abc"` or `W/"abc"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(HeaderValue);

impl EntityTag {
    /// A tag that changes with every byte: equal tags mean equal bytes.
    ///
    /// `opaque` may have visible ASCII characters except `"`; `None` otherwise.
    ///
    /// ```
    /// use middleware_static::EntityTag;
    ///
    /// let tag = EntityTag::strong("v1.2").unwrap();
    /// assert_eq!(tag.as_header_value(), "\"v1.2\"");
    /// ```
    #[must_use]
    pub fn strong(opaque: &str) -> Option<Self> {
        Self::checked(opaque, "")
    }

    /// A tag that may stay the same although the bytes differ a little: good for 304, not for ranges.
    #[must_use]
    pub fn weak(opaque: &str) -> Option<Self> {
        Self::checked(opaque, "W/")
    }

    fn checked(opaque: &str, prefix: &str) -> Option<Self> {
        let legal = opaque
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x7e));
        let text = legal.then(|| format!("{prefix}\"{opaque}\""))?;
        HeaderValue::try_from(text).ok().map(Self)
    }

    /// A tag from the time of the last modification, the size, and whatever else distinguishes the states of a file.
    pub(crate) fn of_state(
        modified: (i64, u32),
        length: u64,
        rest: u64,
        coding: &'static str,
        weak: bool,
    ) -> Self {
        let mut text = Text::new(weak);
        // Two's complement: a time before 1970 is a large number, and a different one for each.
        text.hexadecimal(u128::from(modified.0.cast_unsigned()));
        text.hexadecimal_digits(u128::from(modified.1), 8);
        text.push(b'-');
        text.hexadecimal(u128::from(length));
        text.push(b'-');
        text.hexadecimal(u128::from(rest));
        text.finish(coding)
    }

    /// A tag from a digest of the content: the same on every replica.
    pub(crate) fn of_content(digest: u128, coding: &'static str) -> Self {
        let mut text = Text::new(false);
        text.hexadecimal_digits(digest, 32);
        text.finish(coding)
    }

    /// The tag of the same content in a coding: RFC 9110 8.8.3.3.
    pub(crate) fn of_coding(self, coding: &'static str) -> Self {
        match self.0.as_bytes() {
            [text @ .., b'"'] if !coding.is_empty() => Text(text.to_vec()).finish(coding),
            _ => self,
        }
    }

    /// The value for the field.
    #[must_use]
    pub fn as_header_value(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether it is weak.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.0.as_bytes().starts_with(b"W/")
    }

    /// Equal, and neither is weak (8.8.3.2).
    pub(crate) fn strong_eq(&self, other: &[u8]) -> bool {
        // `W/"a"` and `"a"` differ as bytes, so one look at ours suffices.
        !self.is_weak() && self.0.as_bytes() == other
    }

    /// Equal but for being weak (8.8.3.2).
    pub(crate) fn weak_eq(&self, other: &[u8]) -> bool {
        opaque(self.0.as_bytes()) == opaque(other)
    }
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Writes a tag. It does without `format!`, since every answer from disk makes one.
struct Text(Vec<u8>);

impl Text {
    fn new(weak: bool) -> Self {
        let mut text = Vec::with_capacity(48);
        text.extend_from_slice(if weak { b"W/\"" } else { b"\"" });
        Self(text)
    }

    fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn hexadecimal(&mut self, number: u128) {
        let digits = (128 - number.leading_zeros()).div_ceil(4).max(1);
        self.hexadecimal_digits(number, digits);
    }

    fn hexadecimal_digits(&mut self, number: u128, digits: u32) {
        for place in (0..digits).rev() {
            let digit = (number >> (place * 4)) as u8 & 0xf;
            self.push(if digit < 10 {
                b'0' + digit
            } else {
                b'a' - 10 + digit
            });
        }
    }

    /// A tag per coding: RFC 9110 8.8.3.3.
    fn finish(mut self, coding: &'static str) -> EntityTag {
        if !coding.is_empty() {
            self.push(b'-');
            self.0.extend_from_slice(coding.as_bytes());
        }
        self.push(b'"');
        // The text is visible ASCII by construction; were it not, an empty tag would do no harm.
        EntityTag(
            HeaderValue::from_maybe_shared(bytes::Bytes::from(self.0))
                .unwrap_or(HeaderValue::from_static("W/\"\"")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_only_characters_that_a_tag_may_have() {
        assert!(EntityTag::strong("a\"b").is_none());
        assert!(EntityTag::weak("a b").is_none());
        assert!(EntityTag::strong("").is_some());
    }

    #[test]
    fn a_weak_tag_is_never_strongly_equal() {
        let tag = EntityTag::weak("a").unwrap();
        assert!(!tag.strong_eq(b"W/\"a\""));
        assert!(tag.weak_eq(b"W/\"a\"") && tag.weak_eq(b"\"a\""));
        assert!(!EntityTag::strong("a").unwrap().strong_eq(b"W/\"a\""));
    }

    #[test]
    fn time_size_state_and_coding_each_make_another_tag() {
        let tag = |time, length, rest, coding| {
            EntityTag::of_state(time, length, rest, coding, false)
                .as_header_value()
                .clone()
        };
        assert_eq!(tag((0x10, 0x20), 0x30, 0x40, ""), "\"1000000020-30-40\"");
        assert_eq!(tag((0, 0), 0, 0, "br"), "\"000000000-0-0-br\"");
        assert_ne!(tag((1, 0), 1, 0, ""), tag((0, 1), 1, 0, ""));
        assert_ne!(tag((-1, 0), 1, 0, ""), tag((1, 0), 1, 0, ""));
        assert_ne!(tag((1, 0), 1, 1, ""), tag((1, 0), 1, 2, ""));
    }
}
