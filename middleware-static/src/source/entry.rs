//! The entries of a directory.

use std::ffi::OsString;
use std::time::SystemTime;

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name, any name the file system can hold.
    pub name: OsString,
    /// The size in bytes; `None` for a directory.
    pub length: Option<u64>,
    /// When it was last modified, where that is known.
    pub modified: Option<SystemTime>,
}

impl Entry {
    /// A file of `length` bytes.
    #[must_use]
    pub fn file(name: OsString, length: u64, modified: Option<SystemTime>) -> Self {
        Self {
            name,
            length: Some(length),
            modified,
        }
    }

    /// A directory.
    #[must_use]
    pub fn directory(name: OsString, modified: Option<SystemTime>) -> Self {
        Self {
            name,
            length: None,
            modified,
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.length.is_none()
    }
}
