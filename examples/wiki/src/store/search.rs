//! Full-text search.

use serde::Serialize;

use super::{Result, Store};

/// A page that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    /// The page.
    pub name: String,
    /// The place in its text.
    pub snippet: Vec<Snippet>,
}

/// A piece of text, and whether it is what was searched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// The piece.
    pub text: String,
    /// It matched.
    pub found: bool,
}

/// More words than anybody types only cost time.
const MOST_WORDS: usize = 16;

// No text holds these: saving drops control characters.
const START: char = '\u{2}';
const END: char = '\u{3}';

impl Store {
    /// The pages that hold every word of `words`, the best first. The last word may be the
    /// beginning of one.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn search(&self, words: &str, limit: u32) -> Result<Vec<Hit>> {
        let Some(query) = expression(words) else {
            return Ok(Vec::new());
        };
        let reader = self.reader()?;
        // A word in the name counts as five in the text.
        let mut search = reader.prepare_cached(
            "SELECT name, snippet(search, 1, char(2), char(3), '…', 32) FROM search
             WHERE search MATCH ?1 ORDER BY bm25(search, 5.0, 1.0), rowid LIMIT ?2",
        )?;
        let rows = search.query_map((query, limit), |row| {
            let snippet: String = row.get(1)?;
            Ok(Hit {
                name: row.get(0)?,
                snippet: pieces(&snippet),
            })
        })?;
        rows.collect()
    }
}

/// What FTS5 is asked: each word as a string, so that none of its operators is one.
fn expression(words: &str) -> Option<String> {
    let words = words.split(|c: char| c.is_whitespace() || c.is_control());
    // What the tokenizer would drop altogether is dropped here.
    let words = words.filter(|word| word.contains(char::is_alphanumeric));
    let quoted = |word: &str| format!("\"{}\"", word.replace('"', "\"\""));
    let words: Vec<_> = words.take(MOST_WORDS).map(quoted).collect();
    (!words.is_empty()).then(|| words.join(" ") + "*")
}

fn pieces(snippet: &str) -> Vec<Snippet> {
    let mut pieces = Vec::new();
    let mut add = |text: &str, found| {
        if !text.is_empty() {
            pieces.push(Snippet {
                text: text.to_owned(),
                found,
            });
        }
    };
    for part in snippet.split(START) {
        match part.split_once(END) {
            Some((found, rest)) => {
                add(found, true);
                add(rest, false);
            }
            None => add(part, false),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_only_words() {
        let asked = |words| expression(words).unwrap_or_default();
        assert_eq!(asked("a OR b"), r#""a" "OR" "b"*"#);
        assert_eq!(
            asked(r#"say "hello" NEAR(x)"#),
            r#""say" """hello""" "NEAR(x)"*"#
        );
        assert_eq!(asked("name:x -y *"), r#""name:x" "-y"*"#);
        assert_eq!(expression(" -- * \u{0} \" "), None);
    }

    #[test]
    fn a_snippet_is_cut_where_it_matched() {
        let piece = |text: &str, found| Snippet {
            text: text.into(),
            found,
        };
        assert_eq!(
            pieces("…the \u{2}wiki\u{3} is \u{2}here\u{3}"),
            [
                piece("…the ", false),
                piece("wiki", true),
                piece(" is ", false),
                piece("here", true)
            ]
        );
    }
}
