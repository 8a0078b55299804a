//! Buffers for pieces of files: made once, zeroed once, and used again by the same thread.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::LocalKey;

use bytes::Bytes;

/// The size of a piece in bytes: small enough that a thousand slow clients hold 64 MiB and not 1 GiB.
pub(crate) const CHUNK: usize = 64 * 1024;

/// The most one piece may be. A file of 1 MiB costs a fifth to a third less in such pieces than in those of [`CHUNK`] bytes,
/// because each write also costs what the kernel does to send it and to wake the client up. Larger ones gain nothing more,
/// and for a rest of less than [`LARGE`] bytes [`CHUNK`] is cheaper.
pub(crate) const LARGE: usize = 256 * 1024;

/// How many buffers of [`LARGE`] bytes are in use at a time, for all threads: 8 MiB. Slow clients that hold every
/// one of them leave the others pieces of [`CHUNK`] bytes.
const LARGE_ONES: usize = 32;

static LARGE_IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Shorter pieces get an allocation of their own size: a slow client would hold [`CHUNK`] bytes for them.
const SMALL: usize = 8 * 1024;

/// How many bytes a thread keeps in buffers of either size.
const KEPT: usize = 2 << 20;

thread_local! {
    // A server frees a piece on the thread that wrote it, which soon wants the next one: no lock, no sharing, and
    // the bytes still in the cache of its processor.
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static FREE_LARGE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// What `read` puts into a buffer of at most `most` (and at most [`LARGE`]) bytes, or of [`CHUNK`] where memory is short.
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
    let size = if most >= LARGE && may_be_large() {
        LARGE
    } else {
        CHUNK
    };
    let mut buffer = Buffer::take(size);
    let most = most.min(buffer.bytes.len());
    let space = buffer.bytes.get_mut(..most).unwrap_or_default();
    buffer.length = read(space)?.min(most);
    Ok(Bytes::from_owner(buffer))
}

/// Whether another piece may be large. If so, it counts until its buffer is dropped.
fn may_be_large() -> bool {
    let one_more = |used| (used < LARGE_ONES).then_some(used + 1);
    LARGE_IN_USE
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
        .is_ok()
}

fn free(size: usize) -> &'static LocalKey<RefCell<Vec<Box<[u8]>>>> {
    if size == LARGE { &FREE_LARGE } else { &FREE }
}

struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
}

impl Buffer {
    fn take(size: usize) -> Self {
        let kept = free(size)
            .try_with(|free| free.try_borrow_mut().ok()?.pop())
            .ok()
            .flatten();
        Self {
            bytes: kept.unwrap_or_else(|| vec![0; size].into_boxed_slice()),
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
        let size = buffer.len();
        if size == LARGE {
            LARGE_IN_USE.fetch_sub(1, Ordering::Relaxed);
        }
        // The thread has ended and freed its pool: free the buffer too.
        let _ = free(size).try_with(|free| {
            if let Ok(mut free) = free.try_borrow_mut()
                && free.len() < KEPT / size
            {
                free.push(buffer);
            }
        });
    }
}
