//! Symbolic links that stay below the root in the end, and that the kernel's containment refuses all the same: absolute
//! ones, and those that leave the root on their way.
//!
//! Their text is resolved first, to a path without links. That path is then opened below the root with links forbidden, so
//! it is still the kernel (or `cap-std`) that contains: a directory that is swapped for a link in the meantime is
//! refused, not followed.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::Entry;

/// Which symbolic links are followed. Default: [`Symlinks::Inside`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// Follow those that end below the root, absolute ones too. The root itself may be a link.
    #[default]
    Inside,
    /// Follow none: what is a link, or below one, is not found.
    Refuse,
}

/// Something in a directory.
pub(super) enum Listed {
    Entry(Entry),
    Link(OsString),
}

/// The path below the root that `path` comes to when its links are followed, whichever way they go.
///
/// Only names are looked at on the way, nothing is opened.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] where it comes to something outside, or to nothing.
pub(super) fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let root = std::fs::canonicalize(root)?;
    let resolved = std::fs::canonicalize(root.join(path))?;
    match resolved.strip_prefix(&root) {
        Ok(below) => Ok(below.to_owned()),
        Err(_) => Err(io::ErrorKind::NotFound.into()),
    }
}
