//! How a path is written, and which paths a client would change.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a segment may not hold as it is: all but `pchar` of RFC 3986, section 3.3.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// In the first segment of a path without a leading slash a colon would end a
/// scheme (RFC 3986, section 4.2).
const FIRST_SEGMENT: &AsciiSet = &SEGMENT.add(b':');

/// A decoded path as it is sent behind a slash.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A decoded path as it is sent, or stands by itself in a document.
pub(super) fn encode_relative(text: &str) -> String {
    let first = text.find('/').unwrap_or(text.len());
    let (first, rest) = text.split_at_checked(first).unwrap_or((text, ""));
    format!(
        "{}{}",
        utf8_percent_encode(first, FIRST_SEGMENT),
        encode(rest)
    )
}

/// A value for a path that is matched as it was sent: a slash in it is no
/// separator.
pub(super) fn encode_raw(value: &str) -> String {
    const VALUE: &AsciiSet = &SEGMENT.add(b'/');
    // `.` alone would be a dot segment in any spelling, see `is_unsafe`.
    utf8_percent_encode(value, VALUE).to_string()
}

/// Whether a path that is written as it stands is one that a client can send.
pub(super) fn can_be_sent(path: &str) -> bool {
    const ESCAPED: &AsciiSet = &SEGMENT.remove(b'%');
    let mut parts = utf8_percent_encode(path, ESCAPED);
    parts.next().is_none_or(|first| first == path)
}

/// Whether a client would change the URL before it sends it, or take its
/// beginning for a host (RFC 3986, sections 5.2.4 and 4.2).
pub(crate) fn is_unsafe(encoded: &str) -> bool {
    let dots = |segment: &str| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    };
    encoded.starts_with("//") || encoded.split('/').any(dots)
}
