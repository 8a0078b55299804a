//! One file whose path the program chose. No client chooses it, so it needs no containment.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::directory::{node, sort_out};
use super::lease::patiently;
use super::{Handle, Node, Source, Wait, portable};

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
            let opened = super::linux::open_anywhere(path, wait)?;
            return Ok(node(opened, Handle::Linux));
        }
        Ok(node(portable::open_anywhere(path, wait)?, Handle::Portable))
    }
}

impl Source for Single {
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        let path = self.parent.join(path);
        patiently(wait, || Self::open_path(&path, wait)).map_err(sort_out)
    }

    fn file_path(&self, path: &Path) -> Option<PathBuf> {
        Some(self.parent.join(path))
    }
}
