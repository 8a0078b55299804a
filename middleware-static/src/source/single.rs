//! One file, named by the program: no client chooses its path, so nothing contains it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::lease::patiently;
use super::{File, Handle, Node, Source, Wait, portable};

/// A file, and its siblings by name.
#[derive(Debug)]
pub(crate) struct Single {
    parent: PathBuf,
    name: PathBuf,
}

impl Single {
    pub(crate) fn new(path: PathBuf) -> Self {
        let path = std::path::absolute(&path).unwrap_or(path);
        let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        Self { parent, name }
    }

    pub(crate) fn name(&self) -> &OsStr {
        self.name.as_os_str()
    }

    fn open_path(path: &Path, wait: Wait) -> io::Result<Node> {
        #[cfg(target_os = "linux")]
        if super::linux::kernel() != super::linux::Kernel::Old {
            return Ok(match super::linux::open_anywhere(path, wait)? {
                super::linux::Opened::File(handle, stamp) => {
                    Node::File(File::from_handle(Handle::Linux(handle), stamp))
                }
                super::linux::Opened::Directory => Node::Directory,
            });
        }
        Ok(match portable::open_anywhere(path, wait)? {
            portable::Opened::File(handle, stamp) => {
                Node::File(File::from_handle(Handle::Portable(handle), stamp))
            }
            portable::Opened::Directory => Node::Directory,
        })
    }
}

impl Source for Single {
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        let path = self.parent.join(path);
        patiently(wait, || Self::open_path(&path, wait)).map_err(super::directory::sort_out)
    }

    fn file_path(&self, path: &Path) -> Option<PathBuf> {
        Some(self.parent.join(path))
    }
}
