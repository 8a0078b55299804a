use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};

#[cfg(unix)]
type SharedFile = std::sync::Arc<dyn std::os::fd::AsFd + Send + Sync>;
#[cfg(not(unix))]
type SharedFile = std::convert::Infallible;

/// A body that can give ranges of open files in place of their bytes, to a server that has the kernel send them.
///
/// It gives bytes all the same to a caller of [`poll_frame`](HttpBody::poll_frame). A layer that looks at nothing of a body may
/// forward this trait; one that reads, changes or counts the bytes must not implement it.
pub trait FileBody: HttpBody<Data = Bytes> {
    /// As [`poll_frame`](HttpBody::poll_frame), and the data may be a range of a file. Calls of the two may
    /// alternate: each goes on where the other stopped.
    fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, Self::Error>>>;
}

/// What comes next of a [`FileBody`].
#[derive(Debug)]
pub enum Piece {
    /// Bytes or trailers.
    Frame(Frame<Bytes>),
    /// The bytes of a file.
    File(FileRange),
}

/// A range of an open file: bytes that stay where they are.
pub struct FileRange {
    file: SharedFile,
    offset: u64,
    length: usize,
}

impl FileRange {
    /// `length` bytes of `file` from `offset` on. The file is read by offset: its own position plays no part.
    #[cfg(unix)]
    pub fn new(file: SharedFile, offset: u64, length: usize) -> Self {
        Self {
            file,
            offset,
            length,
        }
    }

    /// The file.
    #[cfg(unix)]
    #[must_use]
    pub fn file(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Where the range begins, in bytes from the beginning of the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Leaves out the first `bytes`, all of the range at most.
    pub fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.length);
        self.offset += bytes as u64;
        self.length -= bytes;
    }
}

impl fmt::Debug for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRange")
            .field("offset", &self.offset)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
