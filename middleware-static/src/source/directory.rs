//! A directory of the file system.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::lease::patiently;
use super::links::{Listed, Symlinks};
#[cfg(target_os = "linux")]
use super::linux::{self, Kernel};
use super::opened::Opened;
use super::{Entry, File, Handle, Node, Source, Wait, links, portable};

/// A root is opened again after this long, so that one that was renamed or is a link now elsewhere
/// (`current -> releases/42`) is noticed within a second.
const ROOT_TTL: Duration = Duration::from_millis(400);

/// How to reach the file system. Default: [`Io::Fastest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// What this machine does best: on Linux the kernel's own containment and its answers from memory without
    /// another thread, device by device.
    #[default]
    Fastest,
    /// The way for every platform, everything on threads that may block. Contained just as strictly.
    Portable,
}

/// A directory of the file system, of which nothing outside is ever opened.
///
/// It need not exist yet: until it does, nothing is found.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
    symlinks: Symlinks,
    io: Io,
    kept_root: Arc<RwLock<Option<KeptRoot>>>,
}

#[derive(Debug, Clone)]
struct KeptRoot {
    root: Root,
    opened_at: Instant,
}

#[derive(Debug, Clone)]
enum Root {
    #[cfg(target_os = "linux")]
    Linux(Arc<std::os::fd::OwnedFd>),
    Portable(Arc<cap_std::fs::Dir>),
}

/// The node that a platform opened.
pub(super) fn node<H>(opened: Opened<H>, handle: impl FnOnce(H) -> Handle) -> Node {
    match opened {
        Opened::File(opened, stamp) => Node::File(File::from_handle(handle(opened), stamp)),
        Opened::Directory => Node::Directory,
    }
}

impl Directory {
    /// The directory at `root`. A relative path is taken from the current directory of this moment.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let root = std::path::absolute(&root).unwrap_or(root);
        Self {
            root,
            symlinks: Symlinks::default(),
            io: Io::default(),
            kept_root: Arc::default(),
        }
    }

    /// Which symbolic links below the root are followed. Default: [`Symlinks::Inside`].
    #[must_use]
    pub fn symlinks(mut self, symlinks: Symlinks) -> Self {
        self.symlinks = symlinks;
        self
    }

    /// How to reach the file system. Default: [`Io::Fastest`].
    #[must_use]
    pub fn io(mut self, io: Io) -> Self {
        self.io = io;
        self.kept_root = Arc::default();
        self
    }

    /// The path of the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    fn root(&self, wait: Wait) -> io::Result<Root> {
        let now = Instant::now();
        let kept = (self.kept_root.read()).unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*kept
            && now.duration_since(kept.opened_at) < ROOT_TTL
        {
            return Ok(kept.root.clone());
        }
        drop(kept);
        let root = self.open_root(wait)?;
        // If another thread stores a root at this moment, its root is as new as ours: do not wait for the lock.
        if let Ok(mut kept) = self.kept_root.try_write() {
            *kept = Some(KeptRoot {
                root: root.clone(),
                opened_at: now,
            });
        }
        Ok(root)
    }

    fn open_root(&self, wait: Wait) -> io::Result<Root> {
        #[cfg(target_os = "linux")]
        if self.io == Io::Fastest && linux::kernel() != Kernel::Old {
            return Ok(Root::Linux(Arc::new(linux::open_root(&self.root, wait)?)));
        }
        if wait == Wait::Never {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Root::Portable(Arc::new(portable::open_root(&self.root)?)))
    }

    /// Opens `path` below `root`.
    fn open_in(
        &self,
        root: &Root,
        path: &Path,
        symlinks: Symlinks,
        wait: Wait,
    ) -> io::Result<Node> {
        match root {
            #[cfg(target_os = "linux")]
            Root::Linux(root) => {
                use std::os::fd::AsFd;
                let opened = linux::open(root.as_fd(), path, symlinks, wait)?;
                Ok(node(opened, Handle::Linux))
            }
            Root::Portable(root) => {
                let opened = portable::open(root, path, symlinks, wait)?;
                Ok(node(opened, Handle::Portable))
            }
        }
    }

    fn try_open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        let root = self.root(wait)?;
        let open =
            |path: &Path, symlinks| patiently(wait, || self.open_in(&root, path, symlinks, wait));
        match open(path, self.symlinks) {
            Err(error) if self.symlinks == Symlinks::Inside && left_the_root(&error) => {
                if wait == Wait::Never {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let resolved = links::resolve(&self.root, path)?;
                open(&resolved, Symlinks::Refuse)
            }
            result => result,
        }
    }

    fn try_list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let root = self.root(Wait::Allowed)?;
        let list = |path: &Path, symlinks| match &root {
            #[cfg(target_os = "linux")]
            Root::Linux(root) => {
                use std::os::fd::AsFd;
                linux::list(root.as_fd(), path, symlinks)
            }
            Root::Portable(root) => portable::list(root, path, symlinks),
        };
        let found = match list(path, self.symlinks) {
            Err(error) if self.symlinks == Symlinks::Inside && left_the_root(&error) => {
                list(&links::resolve(&self.root, path)?, Symlinks::Refuse)
            }
            result => result,
        }?;
        let entry = |found: Listed| match found {
            Listed::Entry(entry) => Some(entry),
            // A link is listed as what it leads to, and left out if it may not be followed.
            Listed::Link(name) => match self.try_open(&path.join(&name), Wait::Allowed).ok()? {
                Node::File(file) => Some(Entry::file(
                    name,
                    file.metadata.length,
                    file.metadata.modified,
                )),
                Node::Directory => Some(Entry::directory(name, None)),
            },
        };
        Ok(found.into_iter().filter_map(entry).collect())
    }
}

impl Source for Directory {
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        self.try_open(path, wait).map_err(sort_out)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.try_list(path).map_err(sort_out)
    }

    fn file_path(&self, path: &Path) -> Option<PathBuf> {
        Some(self.root.join(path))
    }
}

/// The kernel says EXDEV; `cap-std` says so in an error of its own, which has no number.
fn left_the_root(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::XDEV.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Names that cannot exist, and names that lead outside or in circles, count as not found.
pub(super) fn sort_out(error: io::Error) -> io::Error {
    let nothing = left_the_root(&error);
    #[cfg(unix)]
    let nothing = {
        use rustix::io::Errno;
        nothing
            || matches!(
                Errno::from_io_error(&error),
                Some(
                    Errno::LOOP
                        | Errno::NOTDIR
                        | Errno::NAMETOOLONG
                        | Errno::INVAL
                        | Errno::ISDIR
                        | Errno::NXIO
                        | Errno::NODEV
                )
            )
    };
    #[cfg(not(unix))]
    let nothing = nothing
        || matches!(
            error.kind(),
            io::ErrorKind::InvalidInput
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidFilename
        );
    if nothing {
        io::ErrorKind::NotFound.into()
    } else {
        error
    }
}
