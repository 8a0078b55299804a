//! Hints for the commonest panics: a table, and the look-up of a message in it.

const HINTS: &str = include_str!("hints.txt");

/// One sentence for the developer, if this is the message of a common panic.
pub(crate) fn of(message: &str) -> Option<&'static str> {
    hints().find_map(|(pattern, hint)| begins_as(message, pattern).then_some(hint))
}

fn hints() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = HINTS.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" | "))
}

fn begins_as(message: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| message.strip_prefix(start)) else {
        return false;
    };
    parts.all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_pattern_and_one_sentence() {
        let lines = HINTS
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(lines.count(), hints().count());
        for (pattern, hint) in hints() {
            assert!(
                hint.ends_with('.') && !hint.replace("..", "").contains(". "),
                "{hint}"
            );
            assert!(of(&pattern.replace('*', "x")).is_some(), "{pattern}");
        }
    }

    #[test]
    fn what_is_not_common_has_no_hint() {
        for message in [
            "",
            "boom",
            "the index out of bounds: the len is 3",
            "attempt to fly",
        ] {
            assert_eq!(of(message), None, "{message}");
        }
    }
}
