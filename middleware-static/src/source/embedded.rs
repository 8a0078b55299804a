//! Files in the binary.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Bound;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rust_embed::RustEmbed;

use super::{Entry, File, Node, Source, Wait};
use crate::EntityTag;

/// The files that [`rust_embed`] put into the binary, with everything that files of a directory have: ranges,
/// preconditions, compressed siblings, listings. The `ETag` is made from the content.
///
/// ```
/// use middleware_static::{StaticFiles, source::Embedded};
///
/// #[derive(rust_embed::RustEmbed)]
/// #[folder = "src"]
/// struct Assets;
///
/// let files = StaticFiles::from_source(Embedded::<Assets>::new());
/// ```
///
/// Feature `compress` has a function for build scripts that puts compressed siblings beside the files.
pub struct Embedded<E> {
    names: BTreeSet<Cow<'static, str>>,
    embed: PhantomData<fn() -> E>,
}

impl<E: RustEmbed> Embedded<E> {
    /// The files of `E`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            names: E::iter().collect(),
            embed: PhantomData,
        }
    }

    /// The names below a directory, which is empty or ends with a slash.
    fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a str> {
        let from = (Bound::Included(directory), Bound::Unbounded);
        self.names
            .range::<str, _>(from)
            .map_while(move |name| name.strip_prefix(directory))
    }
}

impl<E: RustEmbed> Default for Embedded<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for Embedded<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("files", &self.names.len())
            .finish()
    }
}

impl<E: RustEmbed + 'static> Source for Embedded<E> {
    fn open(&self, path: &Path, _: Wait) -> io::Result<Node> {
        let name = path.to_str().ok_or(io::ErrorKind::NotFound)?;
        if let Some(file) = E::get(name).filter(|_| !name.is_empty()) {
            let bytes = match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            let digest = file.metadata.sha256_hash();
            let mut open = File::from_bytes(bytes);
            open.metadata.etag = digest
                .first_chunk()
                .map(|&half| EntityTag::of_content(u128::from_be_bytes(half), ""));
            open.metadata.modified = time(file.metadata.last_modified());
            return Ok(Node::File(open));
        }
        let directory = if name.is_empty() {
            String::new()
        } else {
            format!("{name}/")
        };
        let any = self.below(&directory).next().is_some();
        if any || name.is_empty() {
            Ok(Node::Directory)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let name = path.to_str().ok_or(io::ErrorKind::NotFound)?;
        let directory = if name.is_empty() {
            String::new()
        } else {
            format!("{name}/")
        };
        let mut entries: Vec<Entry> = Vec::new();
        for below in self.below(&directory) {
            match below.split_once('/') {
                // Sorted, so that all of a directory stand together.
                Some((first, _))
                    if entries
                        .last()
                        .is_some_and(|last| last.is_directory() && last.name == *first) => {}
                Some((first, _)) => entries.push(Entry::directory(first.into(), None)),
                None => {
                    if let Some(file) = E::get(&format!("{directory}{below}")) {
                        let modified = time(file.metadata.last_modified());
                        entries.push(Entry::file(below.into(), file.data.len() as u64, modified));
                    }
                }
            }
        }
        if entries.is_empty() && !name.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(entries)
        }
    }
}

fn time(seconds: Option<u64>) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds?))
}
