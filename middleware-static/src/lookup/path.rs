//! From the path of a request to a name below the root, or a refusal.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use gateway_core::paths::Spelling;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

/// A path that can only name something below the root: it has no `..`, no NUL,
/// no empty segment and does not begin with a slash.
///
/// It may still lead outside through a symbolic link; that is for the source
/// to refuse, which asks the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Segments joined by `/`, without leading slash. One trailing slash if the client wrote one.
    bytes: Cow<'a, [u8]>,
    canonical: bool,
}

/// Why a path names no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a path at all: it does not begin with `/`, or a `%` is not followed by two hexadecimal digits.
    Malformed,
    /// A path that no file has: a segment is empty, `.` or `..`, or it contains NUL or an encoded `/`.
    NoSuchName,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is no path, or not percent-encoded as paths are",
            Self::NoSuchName => "no file has such a path",
        })
    }
}

impl std::error::Error for Refusal {}

impl<'a> Candidate<'a> {
    /// Reads the path of a URL, still percent-encoded. It is decoded exactly once.
    ///
    /// Nothing is skipped or resolved: a guard in front of the files compares the path as it was sent, and what it
    /// compares has to be what is served. Clients resolve `.` and `..` themselves ([RFC 3986 5.2.4]).
    ///
    /// [RFC 3986 5.2.4]: https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let path = raw.strip_prefix('/').ok_or(Refusal::Malformed)?;
        let spelling = Spelling::of(raw);
        if spelling.is_plain() && !path.contains('%') && cfg!(not(windows)) {
            return Ok(Self {
                bytes: Cow::Borrowed(path.as_bytes()),
                canonical: true,
            });
        }
        Self::decoded(path, spelling)
    }

    fn decoded(path: &'a str, spelling: Spelling<'_>) -> Result<Self, Refusal> {
        if spelling.has_stray_percent() {
            return Err(Refusal::Malformed);
        }
        let names_nothing = spelling.has_dot_segment()
            || spelling.has_empty_segment()
            || spelling.has_encoded_slash()
            || spelling.has_nul();
        let bytes: Cow<'_, [u8]> = percent_decode_str(path).into();
        let is_name = |segment: &[u8]| cfg!(unix) || segment.is_empty() || is_windows_name(segment);
        if names_nothing || !bytes.split(|&byte| byte == b'/').all(is_name) {
            return Err(Refusal::NoSuchName);
        }
        Ok(Self {
            bytes,
            canonical: !spelling.has_other_escapes(),
        })
    }

    /// Whether the path is in its [canonical spelling](gateway_core::paths::Spelling#what-is-canonical): no escape stands for an
    /// unreserved character (`%61` for `a`), and none has a digit in lower case (`%c3` for `%C3`).
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// The decoded path, without leading slash; empty for the root.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the path asks for a directory: it is the root, or ends with a slash.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.bytes.last(), None | Some(b'/'))
    }

    /// The name in front of the last slash, or the last name; empty for the root.
    #[must_use]
    pub fn last_segment(&self) -> &[u8] {
        let path = self.bytes.strip_suffix(b"/").unwrap_or(&self.bytes);
        path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// Whether a segment begins with a dot. `.well-known` as the first one does not count ([RFC 8615]).
    ///
    /// [RFC 8615]: https://www.rfc-editor.org/rfc/rfc8615
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        // Most paths have no dot at the start of a segment: one cheap look before splitting.
        let mut segments = self.bytes.split(|&byte| byte == b'/');
        let first = segments.next().unwrap_or_default();
        (first.starts_with(b".") && first != b".well-known")
            || segments.any(|segment| segment.starts_with(b"."))
    }
}

/// Whether Windows takes a segment for the name of an ordinary file: not a device (`CON`, `nul.txt`), a
/// drive or a stream (`C:`, `a::$DATA`), a separator, a short name (`PROGRA~1`), or a name it would shorten (`a.`, `a `).
///
/// Called on Windows only, but compiled everywhere, so that every platform tests it.
#[must_use]
pub fn is_windows_name(segment: &[u8]) -> bool {
    const DEVICES: [&str; 8] = [
        "con", "prn", "aux", "nul", "conin$", "conout$", "com", "lpt",
    ];
    let Ok(name) = std::str::from_utf8(segment) else {
        return false;
    };
    if name.ends_with(['.', ' ']) || name.contains(|c: char| c < ' ' || "\\/:*?\"<>|".contains(c)) {
        return false;
    }
    let short = name
        .split_once('~')
        .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_lowercase();
    // COM¹ and its like are devices too.
    let numbered = stem.trim_end_matches([
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '¹', '²', '³',
    ]);
    let device = DEVICES.iter().any(|device| match *device {
        "com" | "lpt" => numbered == *device && stem.chars().count() == 4,
        _ => stem == *device,
    });
    !short && !device
}

/// Bytes as a path of the file system; `None` where the platform has no such name.
pub(crate) fn to_path(bytes: &[u8]) -> Option<&Path> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(Path::new(std::ffi::OsStr::from_bytes(bytes)))
    }
    #[cfg(not(unix))]
    {
        std::str::from_utf8(bytes).ok().map(Path::new)
    }
}

/// The bytes of a file name.
pub(crate) fn name_bytes(name: &std::ffi::OsStr) -> Cow<'_, [u8]> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Cow::Borrowed(name.as_bytes())
    }
    #[cfg(not(unix))]
    {
        match name.to_string_lossy() {
            Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
            Cow::Owned(name) => Cow::Owned(name.into_bytes()),
        }
    }
}

/// All but the unreserved characters of RFC 3986 2.3.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'!')
    .add(b'"')
    .add(b'#')
    .add(b'$')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b'+')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

const RESERVED_BUT_SLASH: &AsciiSet = &RESERVED.remove(b'/');

/// One file name as a segment of a URL: everything but unreserved characters is percent-encoded.
///
/// Put `./` in front to make it a relative reference that is right for every name.
#[must_use]
pub fn encode_segment(name: &[u8]) -> String {
    percent_encode(name, RESERVED).to_string()
}

/// A path as a URL: like [`encode_segment`], the slashes left.
#[must_use]
pub fn encode_path(path: &[u8]) -> String {
    percent_encode(path, RESERVED_BUT_SLASH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_is_borrowed() {
        let candidate = Candidate::parse("/css/app.css").unwrap();
        assert!(matches!(candidate.bytes, Cow::Borrowed(b"css/app.css")));
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same_name() {
        let name: Vec<u8> = (1..=255).filter(|&byte| byte != b'/').collect();
        let url = format!("/{}", encode_segment(&name));
        assert_eq!(Candidate::parse(&url).unwrap().as_bytes(), name);
    }

    #[test]
    fn names_that_windows_would_take_for_something_else_are_known() {
        for name in [
            "CON", "nul.txt", "com1", "LPT9.log", "COM¹", "a::$DATA", "C:", "a\\b", "PROGRA~1",
            "a.", "a ", "con .x",
        ] {
            assert!(!is_windows_name(name.as_bytes()), "{name}");
        }
        for name in ["console", "com", "com10", "aux1", "a~b", "näme.txt", "a b"] {
            assert!(is_windows_name(name.as_bytes()), "{name}");
        }
    }
}
