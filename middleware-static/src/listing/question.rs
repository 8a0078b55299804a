//! What a client wants to see of a directory, and in which order.

use std::cmp::Ordering;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::row::Row;

/// What to show first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    #[default]
    Name,
    Size,
    Modified,
}

/// The query of a listing: `?q=part+of+a+name&sort=-size&page=2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) filter: String,
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
    /// From 1 on; 0 where none is named.
    pub(crate) page: usize,
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
                "page" => question.page = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        question
    }

    /// The query that asks the same for another page, as a relative reference: `?q=a&sort=-size&page=2`.
    pub(super) fn query(&self, page: usize) -> String {
        let filter = percent_encode(self.filter.as_bytes(), NON_ALPHANUMERIC).to_string();
        let page = (page > 1).then(|| page.to_string());
        let pairs = [
            ("q", Some(&*filter).filter(|filter| !filter.is_empty())),
            ("sort", self.sort_value()),
            ("page", page.as_deref()),
        ];
        let mut query = String::new();
        for (name, value) in pairs {
            if let Some(value) = value {
                let sign = if query.is_empty() { '?' } else { '&' };
                query.extend([sign]);
                query.extend([name, "=", value]);
            }
        }
        query
    }

    pub(super) fn sort_value(&self) -> Option<&'static str> {
        match (self.sort, self.descending) {
            (Sort::Name, false) => None,
            (Sort::Name, true) => Some("-name"),
            (Sort::Size, false) => Some("size"),
            (Sort::Size, true) => Some("-size"),
            (Sort::Modified, false) => Some("modified"),
            (Sort::Modified, true) => Some("-modified"),
        }
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
