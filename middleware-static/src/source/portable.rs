//! The portable path: `cap-std` walks the components of a name and keeps every one of them below the root.
//! Reads and opens may wait, so they happen on a thread that may.

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::links::{Listed, Symlinks};
use super::opened::Opened;
use super::{Entry, Stamp, Wait};

pub(super) fn open_root(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

pub(super) fn open(
    root: &Dir,
    path: &Path,
    symlinks: Symlinks,
    wait: Wait,
) -> io::Result<Opened<Handle>> {
    if wait == Wait::Never {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    if path.as_os_str().is_empty() {
        return Ok(Opened::Directory);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::custom_flags(&mut options, UNBLOCKED);
    let file = match symlinks {
        Symlinks::Inside => root.open_with(path, &options)?,
        Symlinks::Refuse => {
            let (parent, name) = open_parent(root, path)?;
            options.follow(FollowSymlinks::No);
            parent.open_with(name, &options)?
        }
    };
    regular(file.into_std())
}

/// Opens a path that the program chose, wherever it leads.
pub(super) fn open_anywhere(path: &Path, wait: Wait) -> io::Result<Opened<Handle>> {
    if wait == Wait::Never {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, UNBLOCKED);
    regular(options.open(path)?)
}

/// Accepts a regular file or a directory; anything else counts as not found.
fn regular(file: std::fs::File) -> io::Result<Opened<Handle>> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        Ok(Opened::Directory)
    } else if metadata.is_file() {
        let handle = Handle { file };
        let stamp = handle.stamp()?;
        Ok(Opened::File(handle, stamp))
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// As on Linux: neither a FIFO nor a terminal may make us wait.
#[cfg(unix)]
const UNBLOCKED: i32 = rustix::fs::OFlags::NONBLOCK
    .union(rustix::fs::OFlags::NOCTTY)
    .bits()
    .cast_signed();

/// What is in a directory: files and directories with their sizes and times, links by name.
pub(super) fn list(root: &Dir, path: &Path, symlinks: Symlinks) -> io::Result<Vec<Listed>> {
    let directory = match symlinks {
        _ if path.as_os_str().is_empty() => root.try_clone()?,
        Symlinks::Inside => root.open_dir(path)?,
        Symlinks::Refuse => {
            let (parent, name) = open_parent(root, path)?;
            parent.open_dir_nofollow(name)?
        }
    };
    let mut found = Vec::new();
    for entry in directory.entries()? {
        let entry = entry?;
        // Removed since the directory was read.
        let Ok(metadata) = directory.symlink_metadata(entry.file_name()) else {
            continue;
        };
        let modified = metadata
            .modified()
            .ok()
            .map(cap_std::time::SystemTime::into_std);
        let kind = metadata.file_type();
        if kind.is_file() {
            found.push(Listed::Entry(Entry::file(
                entry.file_name(),
                metadata.len(),
                modified,
            )));
        } else if kind.is_dir() {
            found.push(Listed::Entry(Entry::directory(entry.file_name(), modified)));
        } else if kind.is_symlink() && symlinks == Symlinks::Inside {
            found.push(Listed::Link(entry.file_name()));
        }
    }
    Ok(found)
}

/// The directory a name is in, reached without following any link, and the name.
pub(super) fn open_parent(root: &Dir, path: &Path) -> io::Result<(Dir, PathBuf)> {
    let mut directory = root.try_clone()?;
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else {
            break;
        };
        if components.peek().is_none() {
            return Ok((directory, name.into()));
        }
        directory = directory.open_dir_nofollow(name)?;
    }
    Err(io::ErrorKind::NotFound.into())
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct Handle {
    file: std::fs::File,
}

impl Handle {
    #[cfg(unix)]
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of_stat(&rustix::fs::fstat(&self.file)?))
    }

    #[cfg(not(unix))]
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        let metadata = self.file.metadata()?;
        let modified = metadata
            .modified()
            .map(super::since_epoch)
            .unwrap_or_default();
        let created = metadata
            .created()
            .map(super::since_epoch)
            .unwrap_or_default();
        Ok(Stamp {
            device: 0,
            inode: 0,
            length: metadata.len(),
            modified,
            changed: created,
        })
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        if wait == Wait::Never {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        loop {
            #[cfg(unix)]
            let read = std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset);
            #[cfg(windows)]
            let read = std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset);
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for Handle {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}
