//! What a name stands for in one root.

use std::io;

use crate::facts::{self, Findings};
use crate::lookup::path::to_path;
use crate::protocol::negotiate::{Coding, Preference};
use crate::source::{File, Node, Source, Wait};

/// One of the roots of a site, and what a request wants of it.
pub(crate) struct Root<'a> {
    /// Its place among them.
    pub(crate) number: usize,
    pub(crate) source: &'a dyn Source,
    pub(crate) preference: Preference,
    /// Larger files are not read to see whether a sibling is a copy.
    pub(crate) limit: u64,
    pub(crate) findings: &'a Findings,
    pub(crate) wait: Wait,
}

/// When a compressed sibling counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Siblings {
    /// Unless something speaks for its being older than its file.
    Current,
    /// Where it is proven to be a copy of its file: the answer is kept for good.
    Proven,
}

/// What one name stands for, with its siblings.
pub(crate) enum Named {
    File(File, Coding),
    Directory,
    NotAcceptable,
    Nothing,
}

impl Root<'_> {
    /// A name in the coding that the client likes best of those that it is there in. Siblings without their file are
    /// nothing: another root may have the file.
    pub(crate) fn named(&self, path: &[u8], siblings: Siblings) -> io::Result<Named> {
        match self.open(path)? {
            Some(Node::File(file)) => self.in_best_coding(file, path, siblings),
            Some(Node::Directory) => Ok(Named::Directory),
            None => Ok(Named::Nothing),
        }
    }

    /// A file, or a sibling of it.
    pub(crate) fn in_best_coding(
        &self,
        file: File,
        path: &[u8],
        siblings: Siblings,
    ) -> io::Result<Named> {
        for coding in self
            .preference
            .iter()
            .take_while(|&coding| coding != Coding::Identity)
        {
            let sibling = [path, coding.suffix().as_bytes()].concat();
            match self.open_file(&sibling) {
                Ok(Some(sibling)) if self.counts(&sibling, coding, &file, siblings)? => {
                    return Ok(Named::File(sibling, coding));
                }
                Ok(_) => {}
                // A sibling that may not be read is as good as none.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
        Ok(if self.preference.accepts_identity() {
            Named::File(file, Coding::Identity)
        } else {
            Named::NotAcceptable
        })
    }

    pub(crate) fn open_file(&self, path: &[u8]) -> io::Result<Option<File>> {
        Ok(match self.open(path)? {
            Some(Node::File(file)) => Some(file),
            Some(Node::Directory) | None => None,
        })
    }

    /// Whether a sibling is one of the file as it is now.
    ///
    /// Times raise a doubt and do not settle it: a copy may keep an old date (`rsync -t`), and a change of mode makes a
    /// new change time. Where one of them says that the sibling is older, its content decides; where that cannot be read,
    /// its date does, and the change time alone refuses nothing.
    fn counts(
        &self,
        sibling: &File,
        coding: Coding,
        file: &File,
        siblings: Siblings,
    ) -> io::Result<bool> {
        let copy = || facts::is_copy(sibling, coding, file, self.limit, self.findings, self.wait);
        if siblings == Siblings::Proven {
            return Ok(copy()? == Some(true));
        }
        let (Some(made), Some(written)) = (sibling.stamp, file.stamp) else {
            return Ok(true);
        };
        let older_by_date = made.modified < written.modified;
        if older_by_date || made.changed < written.changed {
            return Ok(copy()?.unwrap_or(!older_by_date));
        }
        Ok(true)
    }

    pub(crate) fn has_directory(&self, path: &[u8]) -> io::Result<bool> {
        Ok(matches!(self.open(path)?, Some(Node::Directory)))
    }

    fn open(&self, path: &[u8]) -> io::Result<Option<Node>> {
        let Some(path) = to_path(path) else {
            return Ok(None);
        };
        match self.source.open(path, self.wait) {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
