//! Several roots as one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Entry, Node, Source, Wait};

/// Several sources, one over the other: the first that has a name wins, and listings are united.
#[derive(Clone)]
pub(crate) struct Overlay(pub(crate) Vec<Arc<dyn Source>>);

impl Source for Overlay {
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        let mut directory = false;
        for source in &self.0 {
            match source.open(path, wait) {
                Ok(Node::File(file)) => return Ok(Node::File(file)),
                // A file below may still be meant: `docs` here, `docs/a.html` asked for there.
                Ok(Node::Directory) => directory = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if directory {
            Ok(Node::Directory)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut united: Option<Vec<Entry>> = None;
        let mut names = std::collections::HashSet::new();
        for source in &self.0 {
            match source.list(path) {
                Ok(mut entries) => {
                    entries.retain(|entry| names.insert(entry.name.clone()));
                    united.get_or_insert_default().append(&mut entries);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        united.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file_path(&self, path: &Path) -> Option<PathBuf> {
        let has = |source: &&Arc<dyn Source>| {
            matches!(source.open(path, Wait::Allowed), Ok(Node::File(_)))
        };
        self.0.iter().find(has)?.file_path(path)
    }
}
