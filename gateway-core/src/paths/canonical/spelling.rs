//! How a path is spelled: what a guard in front may read in another way than the service behind it.

use std::borrow::Cow;

use percent_encoding::{CONTROLS, percent_encode_byte, utf8_percent_encode};

/// How a raw path is spelled: whether another spelling is the canonical one, and what in it two
/// readers would read in two ways.
///
/// A guard in front of a service compares the path in its own way, and the service reads it in
/// another: axum's routes compare it as it was sent, file servers decode it, and some skip empty
/// segments. Where one reads `/private/x` and the other does not, the guard has a hole. So a
/// service that *consumes* a path asks here first, about the part that is its own (below its
/// mount). It answers another spelling with a redirect to the canonical one, and with 404 what no
/// two readers agree on.
///
/// ```
/// use gateway_core::paths::Spelling;
///
/// let spelling = Spelling::of("/%70rivate/x");
/// assert!(spelling.has_other_escapes());
/// assert_eq!(spelling.canonical(), "/private/x");
/// assert_eq!(spelling.location(Some("a=b")).unwrap(), "../private/x?a=b");
///
/// assert!(Spelling::of("/private/x").is_plain());
/// assert!(Spelling::of("/a/%2e%2E/private/x").has_dot_segment());
/// assert!(Spelling::of("/private%2Fx").has_encoded_slash());
/// ```
///
/// # What is canonical
///
/// | in a path | canonical | why |
/// |---|---|---|
/// | an escape of a letter, a digit, `-`, `.`, `_` or `~` | the character | equal by RFC 3986 section 6.2.2.2 |
/// | an escape with a hexadecimal digit in lower case: `%c3` | `%C3` | equal by section 6.2.2.1 |
/// | any other escape: `%40`, `%2F`, `%20` | stays | `%40` and `@` are two URIs (section 2.2) |
/// | `"`, `[`, `]`, `^`, `{`, <code>&#124;</code>, `}` | stay | no URI holds them, but browsers and proxies write some of them |
/// | a byte outside ASCII | its escape | no URI holds it; browsers write the escape, curl the byte |
/// | a backslash | `%5C` | browsers would take it for a slash |
/// | a `%` without two hexadecimal digits | `%25` | so that no escape that is removed makes a new one of it |
///
/// Only the first two are [other spellings](Self::has_other_escapes) that a consumer redirects.
/// That ends: browsers send what `Location` says, and proxies that encode a path anew (nginx and
/// Apache with a path in `proxy_pass` or `ProxyPass`, Go's) write unreserved characters as they
/// are and digits in upper case. They differ in all the rest (nginx writes `!`, Go may write
/// `%21`), so a redirect from one of those to the other could come round for ever. A byte outside
/// ASCII and a lone `%` are read as they came, unless the consumer is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelling<'p> {
    path: &'p str,
    found: Found,
}

/// What a path has; nothing where it is plain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    other_escapes: bool,
    dot_segment: bool,
    empty_segment: bool,
    encoded_slash: bool,
    backslash: bool,
    nul: bool,
    non_ascii: bool,
    stray_percent: bool,
}

impl<'p> Spelling<'p> {
    /// Looks at `path`, raw and without a query: one pass, and no allocation.
    #[must_use]
    #[inline]
    pub fn of(path: &'p str) -> Self {
        let found = if looks_plain(path.as_bytes()) {
            Found::default()
        } else {
            Found::in_path(path)
        };
        Self { path, found }
    }

    /// Whether this is the canonical spelling and there is nothing to refuse: none of the `has_`
    /// methods says yes. Nearly every path that a client sends is so.
    #[must_use]
    #[inline]
    pub fn is_plain(self) -> bool {
        self.found == Found::default()
    }

    /// Whether an escape is written otherwise than in the canonical spelling: it stands for an
    /// unreserved character (`%70`, `%7E`, `%2D`), or has a hexadecimal digit in lower case.
    #[must_use]
    pub fn has_other_escapes(self) -> bool {
        self.found.other_escapes
    }

    /// Whether a segment is `.` or `..`, in any spelling (`%2e`, `.%2E`). Clients resolve them
    /// before they send a path (RFC 3986 section 5.2.4), browsers the escaped ones too.
    #[must_use]
    pub fn has_dot_segment(self) -> bool {
        self.found.dot_segment
    }

    /// Whether a segment in front of the last one is empty: `//x`, `/x//`. What is behind the
    /// slash at the end of a path is no empty segment.
    #[must_use]
    pub fn has_empty_segment(self) -> bool {
        self.found.empty_segment
    }

    /// Whether there is a `%2F`: a slash to readers that decode first, and none to those that
    /// split first.
    #[must_use]
    pub fn has_encoded_slash(self) -> bool {
        self.found.encoded_slash
    }

    /// Whether there is a backslash, escaped (`%5C`) or not: a slash to browsers and to Windows.
    #[must_use]
    pub fn has_backslash(self) -> bool {
        self.found.backslash
    }

    /// Whether there is a `%00`: the end of the name to code written in C.
    #[must_use]
    pub fn has_nul(self) -> bool {
        self.found.nul
    }

    /// Whether there is a byte outside ASCII that is not escaped.
    #[must_use]
    pub fn has_non_ascii(self) -> bool {
        self.found.non_ascii
    }

    /// Whether a `%` is not followed by two hexadecimal digits.
    #[must_use]
    pub fn has_stray_percent(self) -> bool {
        self.found.stray_percent
    }

    /// The canonical spelling: borrowed if the path has it already. Its own canonical spelling is the same again.
    ///
    /// Dot segments, empty segments and `%2F` stay: no spelling of them is read in one way only.
    #[must_use]
    pub fn canonical(self) -> Cow<'p, str> {
        let found = self.found;
        if !(found.other_escapes || found.non_ascii || found.stray_percent || found.backslash) {
            return Cow::Borrowed(self.path);
        }
        let mut canonical = String::with_capacity(self.path.len() + 8);
        for unit in units(self.path.as_bytes()) {
            let (byte, as_it_is) = match unit {
                Unit::Byte(byte) => (byte, byte.is_ascii() && !matches!(byte, b'%' | b'\\')),
                Unit::Escape { byte, .. } => (byte, is_unreserved(byte)),
            };
            if as_it_is {
                canonical.push(char::from(byte));
            } else {
                canonical.push_str(percent_encode_byte(byte));
            }
        }
        Cow::Owned(canonical)
    }

    /// The value of `Location` in the redirect (308) to the canonical spelling, with the query:
    /// a [`relative_reference`].
    ///
    /// `None` where no client would follow it to the canonical path, see there: such a path is
    /// answered with 404.
    #[must_use]
    pub fn location(self, query: Option<&str>) -> Option<String> {
        relative_reference(self.path, &self.canonical(), query)
    }
}

/// From the raw path `from` to `to`, in the [canonical spelling](Spelling#what-is-canonical) of
/// `to`, as a relative reference (RFC 3986 section 4.2).
///
/// It is right below any mount, ours or not, and behind a proxy that strips a prefix. It begins
/// with `./` or `../`: what it leads to can be no scheme (`a:b`) and no host (`//evil.example`).
/// It is ASCII, so it can be the value of a header.
///
/// ```
/// use gateway_core::paths::relative_reference;
///
/// assert_eq!(relative_reference("/a/b", "/a/b/", None).unwrap(), "./b/");
/// assert_eq!(relative_reference("/a/b/", "/a/b", Some("q")).unwrap(), "../b?q");
/// assert_eq!(relative_reference("//evil.example", "/evil.example", None).unwrap(), "../evil.example");
/// ```
///
/// `None` where no client would follow it from the one path to the other: one of them has a dot
/// segment or does not begin with a slash, or the reference would climb more than 64 levels, and
/// a field of that length helps no client that sent such a path.
#[must_use]
pub fn relative_reference(from: &str, to: &str, query: Option<&str>) -> Option<String> {
    const MOST_LEVELS: usize = 64;
    let to = Spelling::of(to);
    if to.has_dot_segment() || Spelling::of(from).has_dot_segment() {
        return None;
    }
    let canonical = to.canonical();
    let from = from.strip_prefix('/')?;
    let mut rest = canonical.strip_prefix('/')?;
    // The reference is resolved against what is in front of the last slash.
    let mut directories = from.split('/').skip(1).count();
    for directory in from.split('/').take(directories) {
        match rest.split_once('/') {
            Some((first, behind)) if first == directory => rest = behind,
            _ => break,
        }
        directories -= 1;
    }
    if directories > MOST_LEVELS {
        return None;
    }
    let mut reference = match directories {
        0 => "./".to_owned(),
        up => "../".repeat(up),
    };
    reference.push_str(rest);
    if let Some(query) = query {
        reference.push('?');
        reference.extend(utf8_percent_encode(query, CONTROLS));
    }
    Some(reference)
}

/// Whether a segment is `.` or `..` after decoding.
fn is_dot_segment(segment: &str) -> bool {
    let decoded = || {
        units(segment.as_bytes()).map(|unit| match unit {
            Unit::Byte(byte) | Unit::Escape { byte, .. } => byte,
        })
    };
    decoded().eq(*b".") || decoded().eq(*b"..")
}

impl Found {
    #[cold]
    fn in_path(path: &str) -> Self {
        let mut found = Self::default();
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
        while let Some(segment) = segments.next() {
            found.empty_segment |= segment.is_empty() && segments.peek().is_some();
            found.dot_segment |= is_dot_segment(segment);
            for unit in units(segment.as_bytes()) {
                let byte = match unit {
                    Unit::Escape { byte, lower_case } => {
                        found.other_escapes |= lower_case || is_unreserved(byte);
                        found.encoded_slash |= byte == b'/';
                        byte
                    }
                    Unit::Byte(byte) => {
                        found.stray_percent |= byte == b'%';
                        found.non_ascii |= !byte.is_ascii();
                        byte
                    }
                };
                found.backslash |= byte == b'\\';
                found.nul |= byte == 0;
            }
        }
        found
    }
}

/// A byte of a raw path, or an escape of one.
#[derive(Clone, Copy)]
enum Unit {
    Byte(u8),
    Escape {
        byte: u8,
        /// Written with a hexadecimal digit in lower case.
        lower_case: bool,
    },
}

fn units(mut rest: &[u8]) -> impl Iterator<Item = Unit> {
    std::iter::from_fn(move || {
        let (unit, behind) = split_unit(rest)?;
        rest = behind;
        Some(unit)
    })
}

fn split_unit(bytes: &[u8]) -> Option<(Unit, &[u8])> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if let [b'%', high, low, behind @ ..] = bytes
        && let (Some(high_digit), Some(low_digit)) = (digit(*high), digit(*low))
    {
        let escape = Unit::Escape {
            byte: high_digit << 4 | low_digit,
            lower_case: high.is_ascii_lowercase() || low.is_ascii_lowercase(),
        };
        return Some((escape, behind));
    }
    let (&byte, behind) = bytes.split_first()?;
    Some((Unit::Byte(byte), behind))
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether there is no `%`, `\\`, NUL or byte outside ASCII, and no slash with a slash or a dot
/// behind it. Says no where it is not sure.
///
/// Eight bytes at a time: every request pays this, and most of them nothing more.
#[inline]
fn looks_plain(path: &[u8]) -> bool {
    const FILLER: u8 = b'a';
    let mut in_front = u64::from(FILLER);
    let mut odd = 0;
    let (words, rest) = path.as_chunks();
    for word in words {
        let word = u64::from_le_bytes(*word);
        odd |= oddities(word, in_front);
        in_front = word >> 56;
    }
    let last = match path.last_chunk() {
        _ if rest.is_empty() => return odd == 0,
        // Some of these bytes have been seen, so the one in front of them has.
        Some(last) => *last,
        None => {
            let mut last = [FILLER; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            last
        }
    };
    odd |= oddities(u64::from_le_bytes(last), u64::from(FILLER));
    odd == 0
}

/// Not zero if a byte of `word`, with the byte `in_front` of it, is odd.
#[inline]
fn oddities(word: u64, in_front: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The highest bit of each byte that is `byte`, perhaps of bytes above one that is, and
    // anything in the other bits.
    let is = |word: u64, byte: u8| {
        let others = word ^ (LOW * u64::from(byte));
        others.wrapping_sub(LOW) & !others
    };
    let previous = word << 8 | in_front;
    let pairs = is(previous, b'/') & (is(word, b'/') | is(word, b'.'));
    (word | is(word, b'%') | is(word, b'\\') | is(word, 0) | pairs) & HIGH
}
