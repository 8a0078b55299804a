//! The place in a text where the words stand that were searched for.
//!
//! Not by FTS5's `snippet`: it weighs each place with a word against all others, so a page of
//! 60,000 equal words takes it seconds, in which nothing can stop it. This reads a text once, up to
//! the first place that has all words.

use std::collections::VecDeque;
use std::ops::Range;

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};
use serde::Serialize;

use super::words::is_unspaced;
use crate::name::composed;

/// A piece of text, and whether it is what was searched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// The piece.
    pub text: String,
    /// It matched.
    pub found: bool,
}

/// How many words a place has.
const PLACE: usize = 32;

/// How much of the text is shown in front of the first word that was found, in bytes.
const LEAD: usize = 40;

/// How much of the text is shown altogether.
const LENGTH: usize = 240;

/// The words of a question, as they are compared: by their letters alone, whether capital or not
/// and with whatever accents, as FTS5's `unicode61 remove_diacritics 2` does it. A run of a script
/// without spaces is one word, and found wherever its characters stand in a row.
#[derive(Debug)]
pub(super) struct Words {
    words: Vec<String>,
}

impl Words {
    /// The first `most` words of `asked`; of the last one any longer word will do.
    pub(super) fn new(asked: &str, most: usize) -> Self {
        let mut words: Vec<String> = Vec::new();
        let asked = composed(asked);
        let mut run_end = None;
        for range in tokens(&asked) {
            let word: String = folded(asked.get(range.clone()).unwrap_or_default()).collect();
            let unspaced = word.chars().all(is_unspaced);
            let full = words.len() == most;
            match words.last_mut() {
                Some(run) if unspaced && run_end == Some(range.start) => run.push_str(&word),
                _ if full => break,
                _ => words.push(word),
            }
            run_end = unspaced.then_some(range.end);
        }
        // Of equal words the last: that may be the beginning of one.
        let mut distinct: Vec<String> = Vec::new();
        for word in words {
            distinct.retain(|known| *known != word);
            distinct.push(word);
        }
        Self { words: distinct }
    }

    /// Which of the words stands in `text` at `token`, and where it ends.
    fn position(&self, text: &str, token: &Range<usize>) -> Option<(usize, usize)> {
        let last = self.words.len().checked_sub(1)?;
        let word = text.get(token.clone())?;
        if word.chars().all(is_unspaced) {
            let rest = text.get(token.start..)?;
            let mut best = None;
            for (index, word) in self.words.iter().enumerate() {
                let mut letters = rest.chars();
                let stands = word.chars().all(|letter| letters.next() == Some(letter));
                let end = token.start + word.len();
                if stands && best.is_none_or(|(_, longest)| longest < end) {
                    best = Some((index, end));
                }
            }
            return best;
        }
        let is = |(index, wanted): (usize, &String)| {
            let mut letters = folded(word);
            let begins = wanted.chars().all(|letter| letters.next() == Some(letter));
            begins && (index == last || letters.next().is_none())
        };
        let index = self.words.iter().enumerate().position(is)?;
        Some((index, token.end))
    }

    /// The first place in `text` that has the most of the words.
    pub(super) fn excerpt(&self, text: &str) -> Vec<Snippet> {
        let text = &*composed(text);
        let place = self.place(text);
        let start = floor(text, place.saturating_sub(LEAD));
        // Not in the middle of a word, if it has a beginning near by.
        let lead = text.get(start..place).unwrap_or_default();
        let start = match lead.find(char::is_whitespace) {
            Some(space) if start > 0 => start + space,
            _ => start,
        };
        let end = floor(text, start + LENGTH);
        let shown = text.get(start..end).unwrap_or_default();
        let end = match shown.rfind(char::is_whitespace) {
            Some(space) if end < text.len() && space + LEAD > shown.len() => start + space,
            _ => end,
        };
        let shown = text.get(start..end).unwrap_or_default();
        let mut pieces = Pieces::default();
        pieces.add(if start > 0 { "…" } else { "" }, false);
        let mut done = 0;
        for token in tokens(shown) {
            if token.start < done {
                continue;
            }
            if let Some((_, end)) = self.position(shown, &token) {
                pieces.add(shown.get(done..token.start).unwrap_or_default(), false);
                pieces.add(shown.get(token.start..end).unwrap_or_default(), true);
                done = end;
            }
        }
        pieces.add(shown.get(done..).unwrap_or_default(), false);
        pieces.add(if end < text.len() { "…" } else { "" }, false);
        pieces.pieces
    }

    /// Where the first word of the place stands; the beginning where none of them does.
    fn place(&self, text: &str) -> usize {
        // The words among the last tokens: the token's number, where it stands, and which it is.
        let mut recent: VecDeque<(usize, usize, usize)> = VecDeque::new();
        let mut counts = vec![0_usize; self.words.len()];
        let (mut best, mut most) = (0, 0);
        for (number, token) in tokens(text).enumerate() {
            let Some((word, _)) = self.position(text, &token) else {
                continue;
            };
            let mut count = |word: usize, by: isize| {
                if let Some(count) = counts.get_mut(word) {
                    *count = count.saturating_add_signed(by);
                }
            };
            count(word, 1);
            recent.push_back((number, token.start, word));
            while let Some(&(first, _, word)) = recent.front()
                && first + PLACE <= number
            {
                count(word, -1);
                recent.pop_front();
            }
            let distinct = counts.iter().filter(|&&count| count > 0).count();
            if distinct > most {
                most = distinct;
                best = recent.front().map_or(0, |&(_, start, _)| start);
            }
            if distinct == counts.len() {
                break;
            }
        }
        best
    }
}

/// Neighbours of a kind are one piece.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Snippet>,
}

impl Pieces {
    fn add(&mut self, text: &str, found: bool) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.found == found => last.text.push_str(text),
            _ => self.pieces.push(Snippet {
                text: text.to_owned(),
                found,
            }),
        }
    }
}

/// The nearest boundary of a character at or in front of `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let mut boundaries = (0..=at.min(text.len())).rev();
    let boundary = boundaries.find(|&at| text.is_char_boundary(at));
    boundary.unwrap_or_default()
}

/// Runs of letters and digits, with the accents that stand behind them; single characters in
/// scripts without spaces.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut characters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, first) = characters.find(|&(_, c)| c.is_alphanumeric())?;
        let mut end = text.len();
        while let Some(&(at, c)) = characters.peek() {
            let goes_on = c.is_alphanumeric() && !is_unspaced(first) && !is_unspaced(c);
            if !goes_on && !is_accent(c) {
                end = at;
                break;
            }
            characters.next();
        }
        Some(start..end)
    })
}

/// The letters of a word as they are compared.
fn folded(word: &str) -> impl Iterator<Item = char> {
    let bases = word.chars().map(base).filter(|&c| !is_accent(c));
    bases
        .flat_map(char::to_lowercase)
        .filter(|&c| !is_accent(c))
}

/// A letter without its accents.
fn base(letter: char) -> char {
    const DECOMPOSITION: CanonicalDecompositionBorrowed<'_> = CanonicalDecompositionBorrowed::new();
    let mut base = letter;
    while !base.is_ascii() {
        base = match DECOMPOSITION.decompose(base) {
            Decomposed::Expansion(first, accent) if is_accent(accent) => first,
            Decomposed::Singleton(other) => other,
            Decomposed::Expansion(..) | Decomposed::Default => break,
        };
    }
    base
}

/// Combining Diacritical Marks.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With what was found in brackets.
    fn excerpt(asked: &str, text: &str) -> String {
        let pieces = Words::new(asked, 16).excerpt(text);
        let shown = pieces.iter().map(|piece| match piece.found {
            true => format!("[{}]", piece.text),
            false => piece.text.clone(),
        });
        shown.collect()
    }

    #[test]
    fn a_word_is_marked_whatever_its_case_and_accents() {
        for (asked, text, shown) in [
            ("wiki", "the Wiki is here", "the [Wiki] is here"),
            ("cafe", "Das Café.", "Das [Café]."),
            ("CAFÉ", "Das Cafe\u{301}!", "Das [Café]!"),
            ("grosse", "Größe", "Größe"),
            ("ệ", "e E Ệ", "[e] [E] [Ệ]"),
            ("wi", "wiki wi windy", "[wiki] [wi] [windy]"),
            ("wi x", "wiki wi x xy", "wiki [wi] [x] [xy]"),
            ("\"say\" NEAR(x)", "say: x near", "[say]: [x] [near]"),
            ("京", "東京都の京。", "東[京]都の[京]。"),
            ("東京", "私は東京都へ、東海へ", "私は[東京]都へ、東海へ"),
            ("東京 都", "東京都、東", "[東京都]、東"),
            ("rust言語", "これはRust言語です", "これは[Rust言語]です"),
            ("ガイド", "旅カ\u{3099}イドブック", "旅[ガイド]ブック"),
            ("", "text", "text"),
            ("x", "", ""),
        ] {
            assert_eq!(excerpt(asked, text), shown, "{asked}");
        }
    }

    #[test]
    fn the_place_with_most_words_is_shown() {
        let far = "z ".repeat(100);
        let text = format!("tea {far}milk {far}tea with milk {far}");
        let shown = excerpt("milk tea", &text);
        assert!(
            shown.starts_with("… z z") && shown.contains(" z [tea] with [milk] z "),
            "{shown}"
        );
        assert!(shown.ends_with('…') && shown.len() < 300, "{shown}");
        let shown = excerpt("tea absent", &text);
        assert!(shown.starts_with("[tea] z z"), "{shown}");
        // In the page's name, say.
        let shown = excerpt("absent", &text);
        assert!(shown.starts_with("tea z z"), "{shown}");
    }

    #[test]
    fn what_is_shown_is_short_whatever_the_text() {
        for text in [
            "ü".repeat(100_000),
            "a".repeat(100_000),
            "\u{301}".repeat(9999),
        ] {
            for asked in ["ü", "a", "x"] {
                let shown = excerpt(asked, &text);
                assert!(shown.len() <= LENGTH + 20, "{asked}: {}", shown.len());
            }
        }
    }
}
