//! Full-text search.

use rusqlite::OptionalExtension;
use serde::Serialize;

use super::excerpt::{Snippet, Words, floor};
use super::words::asked;
use super::{Result, Store};
use crate::markdown::plain;

/// A page that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    /// The page.
    pub name: String,
    /// The place in its text.
    pub snippet: Vec<Snippet>,
}

/// People type fewer words; more would only cost time.
const MOST_WORDS: usize = 16;

/// How much text is read for what is shown of it, over all pages that are found. The first of them
/// have it.
const MOST_READ: usize = 4 * 1024 * 1024;

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
        // Names and texts only of what is shown: they would be fetched for all pages before these
        // are put into order. A word in the name counts as five in the text.
        let mut search = reader.prepare_cached(
            "SELECT rowid FROM search WHERE search MATCH ?1
             ORDER BY bm25(search, 5.0, 1.0), rowid LIMIT ?2",
        )?;
        let found = search.query_map((query, limit), |row| row.get(0))?;
        let found = found.collect::<Result<Vec<i64>>>()?;
        let mut page = reader.prepare_cached(
            "SELECT name, CASE WHEN ?2 THEN text ELSE '' END FROM current WHERE id = ?1",
        )?;
        let words = Words::new(words, MOST_WORDS);
        let mut budget = MOST_READ;
        let mut hits = Vec::with_capacity(found.len());
        for id in found {
            // No longer there: saved since.
            hits.extend(
                page.query_row((id, budget > 0), |row| {
                    let text = row.get_ref(1)?.as_str()?;
                    let text = text.get(..floor(text, budget)).unwrap_or_default();
                    budget -= text.len();
                    Ok(Hit {
                        name: row.get(0)?,
                        snippet: words.excerpt(&plain(text)),
                    })
                })
                .optional()?,
            );
        }
        Ok(hits)
    }
}

/// What FTS5 is asked: each word as a string, so that none of its operators is one.
fn expression(words: &str) -> Option<String> {
    let words = words.split(|c: char| c.is_whitespace() || c.is_control());
    // What the tokenizer would drop altogether is dropped here.
    let words = words.filter(|word| word.contains(char::is_alphanumeric));
    let quoted = |word: &str| {
        let (tokens, alone) = asked(word);
        let prefix = if alone { "*" } else { "" };
        format!("\"{}\"{prefix}", tokens.replace('"', "\"\""))
    };
    let words: Vec<_> = words.take(MOST_WORDS).map(quoted).collect();
    (!words.is_empty()).then(|| words.join(" ").trim_end_matches('*').to_owned() + "*")
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
            r#""say" """hello" "NEAR(x"*"#
        );
        assert_eq!(asked("name:x -y *"), r#""name:x" "-y"*"#);
        assert_eq!(asked("東 東京 b"), r#"" 東"* " 東京" "b"*"#);
        assert_eq!(expression(" -- * \u{0} \" "), None);
    }
}
