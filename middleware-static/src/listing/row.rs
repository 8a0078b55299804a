//! The lines of a listing.

use crate::lookup::path::{encode_segment, name_bytes};
use crate::source::Entry;

/// How many entries there are, how many match the filter, and which are shown.
pub(super) struct Counts {
    pub(super) total: usize,
    pub(super) matching: usize,
    /// From 1 on.
    pub(super) page: usize,
    pub(super) pages: usize,
}

/// One line.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) entry: Entry,
    /// For people: what is no UTF-8 is replaced.
    pub(super) name: String,
    /// Small letters, so that `b` stands between `A` and `C`.
    pub(super) sort_name: String,
    /// A relative reference, exact for every name.
    pub(super) href: String,
}

pub(super) fn row(entry: Entry) -> Row {
    let bytes = name_bytes(&entry.name);
    let name = String::from_utf8_lossy(&bytes).into_owned();
    let slash = if entry.is_directory() { "/" } else { "" };
    // `./` keeps a colon from being a scheme, were it not encoded, and two slashes from being a host.
    let href = format!("./{}{slash}", encode_segment(&bytes));
    Row {
        sort_name: name.to_lowercase(),
        name,
        href,
        entry,
    }
}
