//! Buffers for pieces of files: made once, zeroed once, and used again by the same thread.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;

/// Large enough that a system call for each piece costs nothing beside copying it, small enough that a
/// thousand slow clients hold 64 MiB and not 1 GiB.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Less than this is not worth a buffer of [`CHUNK`] bytes waiting on a slow client.
const SMALL: usize = 8 * 1024;

/// How many buffers a thread keeps: 2 MiB.
const KEPT: usize = 32;

thread_local! {
    // A server frees a piece on the thread that wrote it, which soon wants the next one: no lock, no sharing.
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// What `read` puts into a buffer of at most `most` (and at most [`CHUNK`]) bytes.
pub(crate) fn fill(
    most: usize,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<Bytes> {
    if most <= SMALL {
        let mut buffer = vec![0; most];
        let length = read(&mut buffer)?;
        buffer.truncate(length);
        return Ok(buffer.into());
    }
    let mut buffer = Buffer::take();
    let most = most.min(CHUNK);
    let space = buffer.bytes.get_mut(..most).unwrap_or_default();
    buffer.length = read(space)?.min(most);
    Ok(Bytes::from_owner(buffer))
}

struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
}

impl Buffer {
    fn take() -> Self {
        let kept = FREE
            .try_with(|free| free.try_borrow_mut().ok()?.pop())
            .ok()
            .flatten();
        Self {
            bytes: kept.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice()),
            length: 0,
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.bytes);
        // A thread that ends frees its own; then there is nothing left to give back to.
        let _ = FREE.try_with(|free| {
            if let Ok(mut free) = free.try_borrow_mut()
                && free.len() < KEPT
            {
                free.push(buffer);
            }
        });
    }
}
