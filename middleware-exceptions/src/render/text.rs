//! Plain text: Python's shape, for people and for logs.

use std::fmt::{self, Display};

use crate::{clean::Indented, id::ErrorId, report::Report};

/// What production says, whatever has failed: always of one length.
pub(crate) fn fixed(id: ErrorId) -> String {
    format!(
        "The server failed to answer this request. The failure has been logged.\n\nError ID: {id}\n"
    )
}

/// All that is known.
pub(crate) fn page(report: &Report) -> String {
    format!(
        "{}: {}\n\nError ID: {}\n",
        report.kind(),
        report.message(),
        report.id()
    )
}

/// As a field of a log record: begins on a line of its own, every line indented.
pub(crate) struct Log<'a>(pub(crate) &'a Report);

impl Display for Log<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n    {}", Indented(page(self.0).trim_end(), "    "))
    }
}
