//! Text from outside, made harmless: on one line or indented, without what moves the cursor or hides text.

use std::fmt::{self, Display, Write};

/// Control characters and what else moves the cursor, reorders or hides text becomes an escape.
///
/// A newline followed by text stays a line break (messages of `assert_eq!` have three lines);
/// the renderer indents the lines that follow, so that none can pass for a record of its own.
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
        || matches!(char,
            // Line and paragraph separators, bidirectional overrides.
            '\u{2028}'..='\u{202e}'
            // What is not drawn (Unicode's Default_Ignorable_Code_Point): soft hyphens, marks of direction,
            // zero-width characters, fillers, variation selectors, tags. Text can hide in any of them.
            | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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
            ("user\u{ad}name", "user\\u{ad}name"),
            ("\u{61c}\u{200f}", "\\u{61c}\\u{200f}"),
            ("a\u{180e}b\u{3164}c", "a\\u{180e}b\\u{3164}c"),
            ("x\u{fe0f}\u{e0101}", "x\\u{fe0f}\\u{e0101}"),
            ("\u{e0041}\u{e007f}", "\\u{e0041}\\u{e007f}"),
            ("e\u{301}🔒", "e\u{301}🔒"),
            ("trailing\n\n", "trailing"),
        ];
        for (raw, clean) in cases {
            assert_eq!(escaped(raw), clean, "{raw:?}");
        }
    }

    #[test]
    fn later_lines_are_indented_so_that_none_passes_for_a_record() {
        assert_eq!(Indented("a\nb\n\nc", "  ").to_string(), "a\n  b\n  \n  c");
        assert_eq!(OneLine("a\nb").to_string(), "a\\nb");
    }
}
