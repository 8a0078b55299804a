//! Names of pages.

use std::borrow::Cow;
use std::fmt;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Longest name in bytes. Encoded it is at most three times as long, far below what any server or
/// browser refuses in a URL.
const MOST: usize = 200;

/// Longest name before it is composed: no letter has more than nine bytes for each that is left.
const MOST_DECOMPOSED: usize = 9 * MOST;

/// Names that are taken by the wiki's own pages, or would be confused with them.
pub const RESERVED: [&str; 14] = [
    "break",
    "diff",
    "edit",
    "export",
    "favicon.ico",
    "history",
    "pages",
    "preview",
    "raw",
    "recent",
    "revert",
    "robots.txt",
    "search",
    "static",
];

/// The live page about the request itself: linked to like any page, and not to be edited.
pub const SERVED: &str = "How this page was served";

/// The page that `<script-name>/` shows.
pub const FRONT: &str = "Front page";

/// The name of a page: one segment of a URL, and a link target between `[[` and `]]`.
///
/// Anything a person writes: letters of any script, digits, spaces, punctuation. Not allowed, and
/// why:
///
/// | refused | because |
/// |---|---|
/// | nothing, more than 200 bytes | it has to fit into a URL |
/// | `/` and `\` | the first ends a segment; browsers turn the second into the first |
/// | a dot in front | `.` and `..` are steps in a path; `.name` hides in an exported archive |
/// | `[`, `]`, `\|` | no `[[link]]` could name the page |
/// | spaces at the ends, two in a row | they cannot be seen |
/// | control characters, line and paragraph separators, direction marks, zero-width spaces | they cannot be seen either, and make one name look like another |
/// | [`RESERVED`] and [`SERVED`] | the wiki uses them itself |
///
/// It is kept in Unicode's composed form (NFC). Names of one [`key`] are names of one page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageName(String);

/// What is equal in all spellings of a name: its letters, whether capital or small, composed or
/// not (Unicode's canonical caseless match, D145).
#[must_use]
pub fn key(name: &str) -> String {
    const NFD: DecomposingNormalizerBorrowed<'_> = DecomposingNormalizerBorrowed::new_nfd();
    let decomposed = NFD.normalize(name);
    composed(&CaseMapper::new().fold_string(&decomposed)).into_owned()
}

/// The text in Unicode's composed form (NFC).
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    const NFC: ComposingNormalizerBorrowed<'_> = ComposingNormalizerBorrowed::new_nfc();
    NFC.normalize(text)
}

/// Why a text is not the name of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAName {
    /// It could never be one; the text says why.
    Malformed(&'static str),
    /// The wiki uses it itself.
    Reserved,
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => f.write_str(reason),
            Self::Reserved => f.write_str("the wiki uses that name itself"),
        }
    }
}

impl std::error::Error for NotAName {}

impl PageName {
    /// The name that `text` is.
    ///
    /// # Errors
    ///
    /// See the table of [`PageName`].
    pub fn new(text: &str) -> Result<Self, NotAName> {
        let malformed = |reason| Err(NotAName::Malformed(reason));
        let too_long = "a name has at most 200 bytes";
        if text.len() > MOST_DECOMPOSED {
            return malformed(too_long);
        }
        let text = composed(text);
        if text.is_empty() {
            return malformed("a name has at least one character");
        }
        if text.len() > MOST {
            return malformed(too_long);
        }
        if text.contains(['/', '\\']) {
            return malformed("a name has no slash");
        }
        if text.starts_with('.') {
            return malformed("a name does not begin with a dot");
        }
        if text.contains(['[', ']', '|']) {
            return malformed("a name has none of [, ] and |");
        }
        if text.contains(invisible) {
            return malformed("a name has no invisible characters");
        }
        if text.trim() != text || text.contains("  ") {
            return malformed("a name has single spaces, and none at its ends");
        }
        if RESERVED.contains(&&*text) || text == SERVED {
            return Err(NotAName::Reserved);
        }
        Ok(Self(text.into_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it has in common with all names of the same page.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

impl fmt::Display for PageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn invisible(character: char) -> bool {
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        // Zero-width spaces and joiners' neighbours, direction marks and overrides, word joiner,
        // byte order mark. The joiners themselves (U+200C, U+200D) are part of Persian and of
        // emoji.
        || matches!(character, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{00AD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_is_a_name() {
        for name in [
            "Front page",
            "Front Page",
            "Überblick",
            "日本語",
            "C++ & <b>",
            "100%",
            "a#b?c",
            "Recent",
            "x.y",
            "می\u{200C}خواهم",
        ] {
            assert_eq!(PageName::new(name).map(|name| name.0), Ok(name.to_owned()));
        }
    }

    #[test]
    fn names_that_look_the_same_have_one_key() {
        for (one, other) in [
            ("Tea", "tEA"),
            ("Café", "CAFE\u{301}"),
            ("Größe", "GRÖSSE"),
            ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
            ("Å", "\u{212B}"),
            ("가", "\u{1100}\u{1161}"),
            ("ガ", "カ\u{3099}"),
            ("\u{1E69}", "s\u{307}\u{323}"),
            ("\u{345}\u{301}", "\u{301}\u{345}"),
        ] {
            assert_eq!(key(one), key(other), "{one} and {other}");
        }
        for (one, other) in [("Tea", "Teas"), ("e", "é"), ("ı", "i"), ("カ", "ガ")] {
            assert_ne!(key(one), key(other), "{one} and {other}");
        }
        let name = |text: &str| PageName::new(text).map(|name| name.0);
        assert_eq!(name("Cafe\u{301}"), Ok("Café".to_owned()));
        assert_eq!(name(&"a\u{301}".repeat(100)), Ok("á".repeat(100)));
        assert!(name(&"a\u{301}".repeat(101)).is_err());
        assert_eq!(name("a\u{37E}"), Ok("a;".to_owned()));
    }

    #[test]
    fn what_cannot_be_seen_or_linked_is_no_name() {
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "a\0b",
            "a\nb",
            " a",
            "a ",
            "a  b",
            "a[b",
            "a|b",
            "\u{202E}gnp",
            "a\u{A0}b",
            "a\u{200B}b",
        ] {
            let refused = PageName::new(name);
            assert!(matches!(refused, Err(NotAName::Malformed(_))), "{name:?}");
        }
        assert!(PageName::new(&"x".repeat(200)).is_ok());
        assert!(PageName::new(&"x".repeat(201)).is_err());
    }

    #[test]
    fn the_wikis_own_pages_keep_their_names() {
        for name in RESERVED.into_iter().chain([SERVED]) {
            assert_eq!(PageName::new(name), Err(NotAName::Reserved), "{name}");
        }
    }
}
