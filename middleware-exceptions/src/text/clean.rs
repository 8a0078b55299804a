//! Text from outside, made harmless: bounded, on one line or indented, without control characters.

use std::fmt::{self, Display, Write};

/// Of a message so much is kept, in bytes.
pub(crate) const MESSAGE: usize = 8 * 1024;

/// Formats at most `limit` bytes, and stops the formatter there.
///
/// Returns whether anything was cut. The text is raw: see [`escaped`].
pub(crate) fn cut(value: &dyn Display, limit: usize) -> Text {
    let mut writer = Cut {
        text: String::new(),
        limit,
        cut: false,
    };
    let failed = write!(writer, "{value}").is_err();
    let cut = writer.cut;
    let mut text = escaped(&writer.text);
    if cut {
        text.push_str(" [cut here]");
    } else if failed {
        text.push_str(" [its formatter failed here]");
    }
    Text(text)
}

/// As [`cut`], of a text that is at hand.
pub(crate) fn cut_text(text: &str, limit: usize) -> Text {
    let start = truncated(text, limit);
    let mut clean = escaped(start);
    if start.len() < text.len() {
        _ = write!(clean, " [cut here, {} bytes in all]", text.len());
    }
    Text(clean)
}

/// Text that [`cut`] has cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// The start of a text that fits into `limit` bytes.
pub(crate) fn truncated(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Control characters and what else moves the cursor, reorders or hides text becomes an escape.
///
/// A newline followed by text stays a line break (messages of `assert_eq!` have three lines);
/// whoever prints it indents the lines that follow, so that none can pass for a record of its own.
pub(crate) fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for char in text.trim_end_matches('\n').chars() {
        match char {
            '\n' => clean.push('\n'),
            '\t' => clean.push_str("    "),
            char if is_harmful(char) => _ = write!(clean, "{}", char.escape_default()),
            char => clean.push(char),
        }
    }
    clean
}

fn is_harmful(char: char) -> bool {
    char.is_control()
        // Bidirectional overrides and isolates, line and paragraph separators, zero-width characters, BOM.
        || matches!(char,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The lines of a text, all but the first behind `indent`.
pub(crate) struct Indented<'a>(pub(crate) &'a str, pub(crate) &'static str);

impl Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, line) in self.0.split('\n').enumerate() {
            if n > 0 {
                write!(f, "\n{}", self.1)?;
            }
            f.write_str(line)?;
        }
        Ok(())
    }
}

/// Everything on one line: for log fields that are looked for by line.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, line) in self.0.split('\n').enumerate() {
            if n > 0 {
                f.write_str("\\n")?;
            }
            f.write_str(line)?;
        }
        Ok(())
    }
}

struct Cut {
    text: String,
    limit: usize,
    cut: bool,
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.limit.saturating_sub(self.text.len());
        let fits = truncated(text, room);
        self.text.push_str(fits);
        if fits.len() < text.len() {
            self.cut = true;
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_lines_stay_lines() {
        let cases = [
            ("left\n right", "left\n right"),
            ("a\r\nb", "a\\r\nb"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("nul\0", "nul\\u{0}"),
            ("\u{9b}c1", "\\u{9b}c1"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("naïve ✓ 日本", "naïve ✓ 日本"),
            ("trailing\n\n", "trailing"),
        ];
        for (raw, clean) in cases {
            assert_eq!(escaped(raw), clean, "{raw:?}");
        }
    }

    #[test]
    fn what_is_cut_says_so_and_stops_the_formatter() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("ü")?;
                }
            }
        }
        assert_eq!(cut(&Endless, 5).0, "üü [cut here]");
        assert_eq!(cut(&"short", 5).0, "short");
        assert_eq!(cut_text("üüü", 3).0, "ü [cut here, 6 bytes in all]");
    }

    #[test]
    fn later_lines_are_indented_so_that_none_passes_for_a_record() {
        assert_eq!(Indented("a\nb\n\nc", "  ").to_string(), "a\n  b\n  \n  c");
        assert_eq!(OneLine("a\nb").to_string(), "a\\nb");
    }
}
