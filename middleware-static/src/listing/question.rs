//! What a client wants to see of a directory, and in which order.

use std::cmp::Ordering;

use percent_encoding::percent_decode;

use super::row::Row;

/// What to show first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    #[default]
    Name,
    Size,
    Modified,
}

/// The query of a listing: `?q=part+of+a+name&sort=-size`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) filter: String,
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
}

impl Question {
    pub(crate) fn parse(query: &str) -> Self {
        let mut question = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "q" => {
                    let plus: Vec<u8> = value
                        .bytes()
                        .map(|byte| if byte == b'+' { b' ' } else { byte })
                        .collect();
                    question.filter = percent_decode(&plus).decode_utf8_lossy().trim().to_owned();
                }
                "sort" => {
                    let (descending, key) = value
                        .strip_prefix('-')
                        .map_or((false, value), |key| (true, key));
                    question.descending = descending;
                    question.sort = match key {
                        "size" => Sort::Size,
                        "modified" => Sort::Modified,
                        _ => Sort::Name,
                    };
                }
                _ => {}
            }
        }
        question
    }

    /// Directories first; what is equal is in the order of names.
    pub(super) fn order(&self, a: &Row, b: &Row) -> Ordering {
        let by_name = || {
            a.sort_name
                .cmp(&b.sort_name)
                .then_with(|| a.entry.name.cmp(&b.entry.name))
        };
        let key = match self.sort {
            Sort::Name => by_name(),
            Sort::Size => a.entry.length.cmp(&b.entry.length),
            Sort::Modified => a.entry.modified.cmp(&b.entry.modified),
        };
        let key = if self.descending { key.reverse() } else { key };
        b.entry
            .is_directory()
            .cmp(&a.entry.is_directory())
            .then(key)
            .then_with(by_name)
    }
}
