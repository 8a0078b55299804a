//! What a source of files is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Entry, File, Wait};

/// Files by name.
///
/// ```
/// use std::{io, path::Path};
/// use middleware_static::{StaticFiles, source::{File, Node, Source, Wait}};
///
/// /// Every name is a file that holds its own name.
/// struct Echo;
///
/// impl Source for Echo {
///     fn open(&self, path: &Path, _: Wait) -> io::Result<Node> {
///         Ok(Node::File(File::from_bytes(path.display().to_string())))
///     }
/// }
///
/// let files = StaticFiles::from_source(Echo);
/// ```
pub trait Source: Send + Sync + 'static {
    /// Opens what `path` names. The path is relative, has no `..`, and is empty for the root.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] for what is not there, [`io::ErrorKind::PermissionDenied`] (a 403) for what
    /// may not be read, [`io::ErrorKind::ResourceBusy`] (a 503) for what may be read later,
    /// [`io::ErrorKind::WouldBlock`] (see [`Wait`]); anything else is a 500.
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node>;

    /// What is in the directory that `path` names, in any order. Called on a thread that may block.
    ///
    /// # Errors
    /// As for [`open`](Self::open). The default has no listings: [`io::ErrorKind::NotFound`].
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let _ = path;
        Err(io::ErrorKind::NotFound.into())
    }

    /// The path in the file system of what `path` names, for a front end that sends files itself (`X-Sendfile`).
    fn file_path(&self, path: &Path) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        (**self).open(path, wait)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        (**self).list(path)
    }

    fn file_path(&self, path: &Path) -> Option<PathBuf> {
        (**self).file_path(path)
    }
}

/// What a name stands for.
#[derive(Debug)]
pub enum Node {
    /// A regular file, open.
    File(File),
    /// A directory.
    Directory,
}
