//! What a name stands for in one root.

use std::io;

use crate::lookup::path::to_path;
use crate::protocol::negotiate::{Coding, Preference};
use crate::source::{File, Node, Source, Wait};

/// One of the roots of a site, and what a request wants of it.
pub(crate) struct Root<'a> {
    /// Its place among them.
    pub(crate) number: usize,
    pub(crate) source: &'a dyn Source,
    pub(crate) preference: Preference,
    pub(crate) wait: Wait,
}

/// What one name stands for, with its siblings.
pub(crate) enum Named {
    File(File, Coding),
    Directory,
    NotAcceptable,
    Nothing,
}

impl Root<'_> {
    /// A file in the coding that the client likes best of those that it is there in. Siblings without their file are
    /// nothing: another root may have the file.
    pub(crate) fn named(&self, path: &[u8]) -> io::Result<Named> {
        let file = match self.open(path)? {
            Some(Node::File(file)) => file,
            Some(Node::Directory) => return Ok(Named::Directory),
            None => return Ok(Named::Nothing),
        };
        for coding in self
            .preference
            .iter()
            .take_while(|&coding| coding != Coding::Identity)
        {
            let sibling = [path, coding.suffix().as_bytes()].concat();
            match self.open(&sibling) {
                Ok(Some(Node::File(sibling))) => return Ok(Named::File(sibling, coding)),
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
