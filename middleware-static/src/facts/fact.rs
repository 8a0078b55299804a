//! Facts about files, by the state that the files were in.

use crate::protocol::negotiate::Coding;
use crate::source::Stamp;

/// A question about files in one state.
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
    /// Whether no later content can have the same state, so that the fact may be remembered.
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

/// The answer to a [`Fact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Digest(u128),
    Copy(bool),
    /// The file could not be read, or changed meanwhile.
    Unknown,
}

/// How many facts are found out for one request. It needs one or two, and more only where files change while it looks at
/// them; beyond this limit it does without.
const MOST: usize = 8;

/// The facts found out for one request. They hold for that request even where they may not be remembered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings(Vec<(Fact, Finding)>);

/// The findings of a new request: none yet.
pub(crate) static NO_FINDINGS: Findings = Findings(Vec::new());

impl Findings {
    pub(crate) fn add(&mut self, fact: Fact, finding: Finding) {
        self.0.push((fact, finding));
    }

    pub(super) fn finding(&self, fact: &Fact) -> Option<Finding> {
        let found = self.0.iter().find(|(known, _)| known == fact);
        found.map(|&(_, finding)| finding)
    }

    /// Whether the limit for this request is reached.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }
}
