//! The one way of text from outside into a report: cut to what will be shown, then without secrets, then clean.

use std::fmt::{self, Write};

use gateway_core::secrets::{Kind, without_secrets};

use crate::text::clean::escaped;

/// How many bytes of a message are shown.
pub(crate) const MESSAGE: usize = 8 * 1024;

/// A text as a report shows it: without secrets, clean of what moves the cursor or hides text, and cut at 8 KiB.
///
/// For what the program writes about requests itself: a span's field, a line of a log of its own. What is a
/// secret is said on the [front page](crate#how-production-stays-safe).
///
/// ```
/// use middleware_exceptions::redacted;
///
/// assert_eq!(redacted("/login?user=ada&password=x"), "/login?user=ada&password=[redacted]");
/// assert_eq!(redacted("postgres://app:x@db/shop"), "postgres://[redacted]@db/shop");
/// ```
#[must_use]
pub fn redacted(text: &str) -> String {
    self::text(text, MESSAGE)
}

/// Cleans a text that may have several lines.
pub(crate) fn text(text: &str, limit: usize) -> String {
    of_kind(text, Kind::Text, limit)
}

/// A name, or what else has one line.
pub(crate) fn line(text: &str, limit: usize) -> String {
    self::text(text, limit).replace('\n', "\\n")
}

/// The fields of a span, as a subscriber formats them.
#[cfg(feature = "tracing-error")]
pub(crate) fn fields(text: &str, limit: usize) -> String {
    of_kind(text, Kind::Fields, limit).replace('\n', "\\n")
}

/// A line of source, which has no end that was cut.
pub(crate) fn code(line: &str) -> String {
    escaped(&without_secrets(line, Kind::Code, false))
}

fn of_kind(text: &str, kind: Kind, limit: usize) -> String {
    let start = truncated(text, limit);
    let is_cut = start.len() < text.len();
    let mut shown = escaped(&without_secrets(start, kind, is_cut));
    if is_cut {
        _ = write!(shown, " [cut here, {} bytes in all]", text.len());
    }
    shown
}

/// The start of a text that fits into `limit` bytes.
pub(crate) fn truncated(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// As much of what a formatter writes as fits. Its text is raw: to be looked at, not shown.
pub(crate) struct Bounded {
    pub(crate) text: String,
    is_cut: bool,
    has_failed: bool,
    limit: usize,
}

impl Bounded {
    pub(crate) fn of(value: fmt::Arguments<'_>, limit: usize) -> Self {
        let mut bounded = Self {
            text: String::new(),
            is_cut: false,
            has_failed: false,
            limit,
        };
        bounded.has_failed = bounded.write_fmt(value).is_err();
        bounded
    }

    /// As a report shows it.
    pub(crate) fn shown(&self) -> String {
        let mut text = escaped(&without_secrets(&self.text, Kind::Text, self.is_cut));
        if self.is_cut {
            text.push_str(" [cut here]");
        } else if self.has_failed {
            text.push_str(" [its formatter failed here]");
        }
        text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A formatter may go on after an error.
        if self.is_cut {
            return Err(fmt::Error);
        }
        let fits = truncated(text, self.limit.saturating_sub(self.text.len()));
        self.text.push_str(fits);
        self.is_cut = fits.len() < text.len();
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use super::*;

    fn displayed(value: &dyn Display, limit: usize) -> String {
        Bounded::of(format_args!("{value}"), limit).shown()
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
        assert_eq!(displayed(&Endless, 5), "üü [cut here]");
        assert_eq!(displayed(&"short", 5), "short");
        assert_eq!(text("üüü", 3), "ü [cut here, 6 bytes in all]");
    }

    #[test]
    fn a_formatter_that_ignores_errors_writes_no_more_than_fits() {
        struct Deaf;
        impl Display for Deaf {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for part in ["aaa", "bbb", "c", "d"] {
                    _ = f.write_str(part);
                }
                Ok(())
            }
        }
        assert_eq!(displayed(&Deaf, 5), "aaabb [cut here]");
    }

    #[test]
    fn names_have_one_line() {
        assert_eq!(line("a\nb", 10), "a\\nb");
    }
}
