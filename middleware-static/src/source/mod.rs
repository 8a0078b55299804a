//! Where files come from: one small trait, a [`Directory`] behind it, and yours.

pub(crate) mod digest;
mod directory;
#[cfg(feature = "embed")]
mod embedded;
mod links;
#[cfg(target_os = "linux")]
mod linux;
pub(crate) mod pool;
mod portable;
mod single;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

pub use self::directory::{Directory, Io, Symlinks};
#[cfg(feature = "embed")]
pub use self::embedded::Embedded;
pub(crate) use self::single::Single;
use crate::EntityTag;

/// Whether an operation may wait for a device.
///
/// With [`Wait::Never`], on a thread that serves many clients, a source answers from memory or says
/// [`io::ErrorKind::WouldBlock`]. It is then asked again, with [`Wait::Allowed`], on a thread that may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Answer at once or say [`io::ErrorKind::WouldBlock`].
    Never,
    /// Take the time it takes.
    Allowed,
}

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
    /// may not be read, [`io::ErrorKind::WouldBlock`] (see [`Wait`]); anything else is a 500.
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

/// A regular file: what is known of it, and its bytes.
#[derive(Debug, Clone)]
pub struct File {
    pub(crate) metadata: Metadata,
    pub(crate) content: Content,
    /// What the descriptor said when it was opened, where there is one.
    pub(crate) stamp: Option<Stamp>,
}

/// What is known of a file.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Metadata {
    /// Its size in bytes.
    pub length: u64,
    /// When it was last modified: for `Last-Modified`, and with the size for the `ETag`.
    pub modified: Option<SystemTime>,
    /// The entity tag, where the source knows a better one than time and size make.
    pub etag: Option<EntityTag>,
}

impl File {
    /// A file in memory. Its entity tag is made from the bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let metadata = Metadata {
            length: bytes.len() as u64,
            ..Metadata::default()
        };
        Self {
            metadata,
            content: Content::Bytes(bytes),
            stamp: None,
        }
    }

    /// A file of `length` bytes that is read piece by piece.
    pub fn from_reader(length: u64, reader: impl ReadAt) -> Self {
        let metadata = Metadata {
            length,
            ..Metadata::default()
        };
        Self {
            metadata,
            content: Content::Reader(Arc::new(reader)),
            stamp: None,
        }
    }

    /// Says when it was last modified.
    #[must_use]
    pub fn modified(mut self, time: SystemTime) -> Self {
        self.metadata.modified = Some(time);
        self
    }

    /// Gives it this entity tag.
    #[must_use]
    pub fn etag(mut self, etag: EntityTag) -> Self {
        self.metadata.etag = Some(etag);
        self
    }

    /// What is known of it.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// A descriptor of the file system.
    pub(crate) fn from_handle(handle: Handle, stamp: Stamp) -> Self {
        let metadata = Metadata {
            length: stamp.length,
            modified: from_epoch(stamp.modified),
            etag: None,
        };
        Self {
            metadata,
            content: Content::Handle(Arc::new(handle)),
            stamp: Some(stamp),
        }
    }
}

/// Bytes at an offset, for [`File::from_reader`].
pub trait ReadAt: Send + Sync + 'static {
    /// Reads up to `buffer.len()` bytes; fewer is no error, none is the end of the file.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] with [`Wait::Never`] to be asked again on a thread that may block.
    /// Any other error ends the transfer.
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize>;
}

/// The bytes of a file, wherever they are. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Content {
    Bytes(Bytes),
    Handle(Arc<Handle>),
    Reader(Arc<dyn ReadAt>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes",
            Self::Handle(_) => "Handle",
            Self::Reader(_) => "Reader",
        })
    }
}

impl Content {
    /// Some bytes from `offset` on: at least one and at most `most`, which is not zero.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where there are none: the file is shorter than it was.
    pub(crate) fn chunk(&self, offset: u64, most: usize, wait: Wait) -> io::Result<Bytes> {
        let read = |buffer: &mut [u8]| match self {
            Self::Handle(handle) => handle.read_at(buffer, offset, wait),
            Self::Reader(reader) => reader.read_at(buffer, offset, wait),
            Self::Bytes(_) => Ok(0),
        };
        let chunk = match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                bytes.slice(start..start.saturating_add(most).min(bytes.len()))
            }
            _ => pool::fill(most, read)?,
        };
        if chunk.is_empty() {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(chunk)
        }
    }

    /// `length` bytes from `offset` on, all of them.
    pub(crate) fn exactly(&self, offset: u64, length: usize, wait: Wait) -> io::Result<Bytes> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut first = self.chunk(offset, length, wait)?;
        if first.len() == length {
            return Ok(first);
        }
        // A short read is not the end: go on behind it. Rare, so a copy does not matter.
        let mut whole = Vec::with_capacity(length);
        loop {
            whole.extend_from_slice(&first);
            if whole.len() >= length {
                return Ok(whole.into());
            }
            first = self.chunk(offset + whole.len() as u64, length - whole.len(), wait)?;
        }
    }

    /// What a descriptor says of its file now; `None` where there is no descriptor.
    pub(crate) fn stamp(&self) -> Option<io::Result<Stamp>> {
        match self {
            Self::Handle(handle) => Some(handle.stamp()),
            _ => None,
        }
    }
}

/// An open file of the file system.
#[derive(Debug)]
pub(crate) enum Handle {
    #[cfg(target_os = "linux")]
    Linux(linux::Handle),
    Portable(portable::Handle),
}

impl Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(handle) => handle.read_at(buffer, offset, wait),
            Self::Portable(handle) => handle.read_at(buffer, offset, wait),
        }
    }

    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(handle) => handle.stamp(),
            Self::Portable(handle) => handle.stamp(),
        }
    }
}

/// What tells one state of a file from another: another file in its place, other bytes, another mode, and
/// unlinking each change it (the last three by way of ctime, which nobody can set).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) length: u64,
    pub(crate) modified: (i64, u32),
    pub(crate) changed: (i64, u32),
}

/// A file system that counts whole ticks cannot tell two changes in one tick apart, and clocks differ by a little.
const SETTLES_AFTER_NANOS: i128 = 2_000_000_000;

/// Whether a change made now is certain to get another time than this one.
pub(crate) fn is_past(time: (i64, u32), now: SystemTime) -> bool {
    let nanos =
        |(seconds, nanos): (i64, u32)| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    nanos(since_epoch(now)) - nanos(time) >= SETTLES_AFTER_NANOS
}

impl Stamp {
    /// Whether no later state of the file can have this stamp. Nobody can set ctime, so that decides.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        is_past(self.changed, now)
    }

    #[cfg(unix)]
    #[expect(
        clippy::unnecessary_cast,
        reason = "the widths differ between platforms"
    )]
    fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            length: stat.st_size.try_into().unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }
}

/// A time as seconds and nanoseconds since 1970, either side of it.
pub(crate) fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => (
            i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            after.subsec_nanos(),
        ),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

/// The other way.
pub(crate) fn from_epoch((seconds, nanos): (i64, u32)) -> Option<SystemTime> {
    use std::time::Duration;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    base?.checked_add(Duration::from_nanos(u64::from(nanos)))
}

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
