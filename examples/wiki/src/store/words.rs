//! What is a word.
//!
//! FTS5 takes a run of letters for a word, so of Chinese and Japanese, which have no spaces, it
//! would find whole sentences only. Such a run is indexed as its pairs of characters that stand
//! side by side, as other search engines do it: 東京都 as 東京, 京都 and 都. A question's pairs have
//! to stand in a row.

use crate::name::composed;

/// Whether `c` is of a script that has no spaces between words. Korean has them, but what is looked
/// for is often a part of what stands between them.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '々' | '〆' | '〇'
        // Kana, Bopomofo, Hangul; the sign in the middle of them that is none of their letters
        // separates words.
        | '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}'
        | '\u{30FC}'..='\u{30FF}' | '\u{3105}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}'
        | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9D}' | '\u{AC00}'..='\u{D7A3}'
        // Han.
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFD}')
}

/// A text as FTS5 is given it to index.
pub(super) fn indexed(text: &str) -> String {
    in_pairs(&composed(text), true)
}

/// A word of a question as FTS5 is asked for it: tokens that stand in a row; and whether any longer
/// token will do for the last, as it must where that is one character of a pair.
pub(super) fn asked(word: &str) -> (String, bool) {
    let word = composed(word);
    let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
    let mut backwards = word.chars().rev().map(is_unspaced);
    let alone = backwards.next() == Some(true) && backwards.next() != Some(true);
    (in_pairs(word, false), alone)
}

/// `last`: whether the text's last character is a token of its own too, as that of any other run
/// is. In the index it has to be, so that a question of one character finds it.
fn in_pairs(text: &str, last: bool) -> String {
    let mut pairs = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut before = None;
    while let Some(c) = characters.next() {
        if !is_unspaced(c) {
            if before.is_some_and(is_unspaced) {
                pairs.push(' ');
            }
            pairs.push(c);
        } else if let Some(&next) = characters.peek().filter(|&&next| is_unspaced(next)) {
            pairs.extend([' ', c, next]);
        } else if last || characters.peek().is_some() || !before.is_some_and(is_unspaced) {
            pairs.extend([' ', c]);
        }
        before = Some(c);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_spaces_becomes_pairs() {
        for (text, of_text, of_question) in [
            ("a text", "a text", "a text"),
            ("東", " 東", " 東"),
            ("東京", " 東京 京", " 東京"),
            ("東京都。", " 東京 京都 都 。", " 東京 京都"),
            ("Rust言語x", "Rust 言語 語 x", "Rust 言語 語 x"),
            ("ア・イ", " ア ・ イ", " ア ・ イ"),
            ("か\u{3099}ー", " がー ー", " がー"),
            ("한국어", " 한국 국어 어", " 한국 국어"),
        ] {
            assert_eq!(indexed(text), of_text);
            assert_eq!(asked(text).0, of_question);
        }
        for (word, alone) in [("東", true), ("東京", false), ("x東", true), ("x", false)] {
            assert_eq!(asked(word).1, alone, "{word}");
        }
    }
}
