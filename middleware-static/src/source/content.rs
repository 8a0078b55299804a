//! The bytes of a file, wherever they are.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use gateway_core::body::FileRange;

use super::handle::Handle;
use super::stamp::Stamp;
use super::{Wait, pool};

/// Bytes at an offset, for [`File::from_reader`](super::File::from_reader).
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

    /// `length` bytes from `offset` on, to be sent by the kernel: where they are those of a descriptor and in memory.
    pub(crate) fn file_range(&self, offset: u64, length: usize) -> Option<FileRange> {
        #[cfg(target_os = "linux")]
        if let Self::Handle(handle) = self
            && handle.is_in_memory(offset, length)
        {
            return Some(FileRange::new(Arc::clone(handle) as _, offset, length));
        }
        let _ = (offset, length);
        None
    }

    /// Asks the descriptor for the file's present metadata; `None` if there is no descriptor.
    pub(crate) fn stamp(&self) -> Option<io::Result<Stamp>> {
        match self {
            Self::Handle(handle) => Some(handle.stamp()),
            _ => None,
        }
    }
}
