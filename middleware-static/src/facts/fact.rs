//! Facts by the state of the files that they are about.

use crate::protocol::negotiate::Coding;
use crate::source::Stamp;

/// Something to be known of files in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// The digest of a file's content.
    Digest(Stamp),
    /// Whether a compressed sibling decodes to its file.
    Copy {
        sibling: Stamp,
        coding: Coding,
        original: Stamp,
    },
    /// The same of bytes in memory, by their digests.
    CopyOfBytes {
        sibling: u128,
        coding: Coding,
        original: u128,
    },
}

impl Fact {
    /// Whether no later content can be in the same state: then the fact may be remembered.
    pub(super) fn is_settled(&self) -> bool {
        let now = std::time::SystemTime::now();
        match self {
            Self::Digest(stamp) => stamp.is_settled(now),
            Self::Copy {
                sibling, original, ..
            } => sibling.is_settled(now) && original.is_settled(now),
            Self::CopyOfBytes { .. } => true,
        }
    }
}

/// What came of finding a fact out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Digest(u128),
    Copy(bool),
    /// The file could not be read, or changed meanwhile.
    Unknown,
}

/// How many facts one request may have found out. It needs one or two; it asks for more only while files change
/// between its looks, and then does without.
const MOST: usize = 8;

/// What was found out for one request. It holds for that request even where it may not be remembered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings(Vec<(Fact, Finding)>);

/// What was found out for a request that has just come.
pub(crate) static NO_FINDINGS: Findings = Findings(Vec::new());

impl Findings {
    pub(crate) fn add(&mut self, fact: Fact, finding: Finding) {
        self.0.push((fact, finding));
    }

    pub(super) fn finding(&self, fact: &Fact) -> Option<Finding> {
        let found = self.0.iter().find(|(known, _)| known == fact);
        found.map(|&(_, finding)| finding)
    }

    /// Whether nothing more is found out for this request.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }
}
