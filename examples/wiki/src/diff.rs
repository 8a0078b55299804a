//! What changed between two texts, line by line.

use std::time::{Duration, Instant};

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// Lines around a change.
const CONTEXT: usize = 3;

/// Lines that are shown; a person reads no further.
const MOST_LINES: usize = 4000;

/// The exact answer can take very long for texts that were written for that. After this time the
/// comparison is coarser, and still right.
const PATIENCE: Duration = Duration::from_millis(500);

/// One line of a comparison.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `same`, `del`, `add`, or `gap` for lines that are left out.
    pub kind: &'static str,
    /// The number in the old text.
    pub old: Option<usize>,
    /// The number in the new text.
    pub new: Option<usize>,
    /// The text, with what changed inside the line marked.
    pub pieces: Vec<Piece>,
}

/// A part of a line.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// This is what changed.
    pub changed: bool,
}

/// A comparison.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// The lines.
    pub lines: Vec<Line>,
    /// There are more lines than are shown.
    pub cut: bool,
    /// How many lines were added.
    pub added: usize,
    /// How many lines were removed.
    pub removed: usize,
}

impl Diff {
    /// Compares.
    #[must_use]
    pub fn between(old: &str, new: &str) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let diff = TextDiff::configure()
            .deadline(deadline)
            .diff_lines(old, new);
        let mut shown = Self {
            lines: Vec::new(),
            cut: false,
            added: 0,
            removed: 0,
        };
        let mut next = (0, 0);
        for group in diff.grouped_ops(CONTEXT) {
            for op in &group {
                let here = (op.old_range().start, op.new_range().start);
                if here != next {
                    shown.push(Line {
                        kind: "gap",
                        old: None,
                        new: None,
                        pieces: Vec::new(),
                    });
                }
                next = (op.old_range().end, op.new_range().end);
                for change in diff.iter_inline_changes_deadline(op, Some(deadline)) {
                    let kind = match change.tag() {
                        ChangeTag::Equal => "same",
                        ChangeTag::Delete => "del",
                        ChangeTag::Insert => "add",
                    };
                    shown.added += usize::from(kind == "add");
                    shown.removed += usize::from(kind == "del");
                    let pieces = change.iter_strings_lossy().map(|(changed, text)| Piece {
                        text: text.trim_end_matches('\n').to_owned(),
                        changed,
                    });
                    shown.push(Line {
                        kind,
                        old: change.old_index().map(|index| index + 1),
                        new: change.new_index().map(|index| index + 1),
                        pieces: pieces.filter(|piece| !piece.text.is_empty()).collect(),
                    });
                }
            }
        }
        shown
    }

    fn push(&mut self, line: Line) {
        if self.lines.len() < MOST_LINES {
            self.lines.push(line);
        } else {
            self.cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(diff: &Diff) -> String {
        let line = |line: &Line| {
            let text: String = line
                .pieces
                .iter()
                .map(|piece| piece.text.as_str())
                .collect();
            format!("{} {text}", line.kind)
        };
        diff.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_changed_line_is_shown_twice_with_its_words_marked() {
        let diff = Diff::between("one\nthe old wiki\nthree\n", "one\nthe new wiki\nthree\n");
        assert_eq!(
            text(&diff),
            "same one\ndel the old wiki\nadd the new wiki\nsame three"
        );
        let changed = diff
            .lines
            .iter()
            .flat_map(|line| &line.pieces)
            .filter(|piece| piece.changed);
        assert_eq!(
            changed.map(|piece| piece.text.as_str()).collect::<Vec<_>>(),
            ["old", "new"]
        );
        assert_eq!((diff.added, diff.removed), (1, 1));
    }

    #[test]
    fn lines_far_from_a_change_are_left_out() {
        let old: String = (0..50).map(|n| format!("line {n}\n")).collect();
        let diff = Diff::between(&old, &old.replace("line 25", "line XXV"));
        assert_eq!(diff.lines.len(), 1 + 3 + 2 + 3);
        assert_eq!(diff.lines.first().map(|line| line.kind), Some("gap"));
        assert_eq!(diff.lines.get(1).and_then(|line| line.old), Some(23));
    }

    #[test]
    fn equal_texts_differ_in_nothing() {
        assert_eq!(Diff::between("a\nb", "a\nb").lines, []);
    }

    #[test]
    fn a_comparison_ends_whatever_is_compared() {
        let old: String = (0..100_000)
            .map(|n| format!("{}\n", n * 7919_u64 % 10_007))
            .collect();
        let new: String = (0..100_000)
            .map(|n| format!("{}\n", n * 104_729_u64 % 10_007))
            .collect();
        let start = Instant::now();
        let diff = Diff::between(&old, &new);
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            start.elapsed()
        );
        assert!(diff.cut);
        assert_eq!(diff.lines.len(), MOST_LINES);
    }
}
