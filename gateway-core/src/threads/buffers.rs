//! Buffers that are reused for the pieces of long bodies.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Smaller pieces are not copied: the allocator is good at them.
const LEAST: usize = 4 * 1024;

/// Larger pieces are not copied either: the copy costs more than to return their pages to the system.
const MOST: usize = 64 * 1024;

/// One for each power of two from [`LEAST`] to [`MOST`].
const SIZES: usize = 5;

/// How many bytes of unused buffers are kept at a time.
const KEPT: usize = 8 * 1024 * 1024;

/// A free list of buffers. Long bodies copy their pieces into them, and a buffer comes back when its piece
/// has been sent.
///
/// Without it, one thread allocates a piece and another frees it some hundred pieces later. Allocators are bad
/// at that: glibc returns the pages at the end of a heap to the system, and the next piece has them cleared
/// and mapped again. Page faults were a third of a stream's cost; the copy is a tenth. And the
/// application's own allocation is free at once for its next piece, in the same cache.
#[derive(Default)]
pub(crate) struct Buffers {
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    /// Last in, first out: the buffer used last is probably still in a cache.
    of_size: [Vec<Vec<u8>>; SIZES],
    bytes: usize,
}

impl Buffers {
    /// Copies `piece` into a buffer of the list. `None` where that does not pay: see [`LEAST`] and [`MOST`].
    pub(crate) fn copy(self: &Arc<Self>, piece: &[u8]) -> Option<Bytes> {
        if !(LEAST..=MOST).contains(&piece.len()) {
            return None;
        }
        let size = piece.len().next_power_of_two();
        let mut free = self.lock();
        let buffer = free.list(size).and_then(Vec::pop);
        if buffer.is_some() {
            free.bytes -= size;
        }
        drop(free);
        let mut bytes = buffer.unwrap_or_else(|| Vec::with_capacity(size));
        bytes.extend_from_slice(piece);
        let home = Arc::clone(self);
        Some(Bytes::from_owner(Buffer { bytes, size, home }))
    }

    /// Frees the buffers that are not in use.
    pub(crate) fn forget(&self) {
        let free = mem::take(&mut *self.lock());
        drop(free);
    }

    fn keep(&self, mut bytes: Vec<u8>, size: usize) {
        bytes.clear();
        let mut free = self.lock();
        if free.bytes + size <= KEPT
            && let Some(list) = free.list(size)
        {
            list.push(bytes);
            free.bytes += size;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Free {
    fn list(&mut self, size: usize) -> Option<&mut Vec<Vec<u8>>> {
        self.of_size.get_mut((size / LEAST).ilog2() as usize)
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("free", &self.lock().bytes)
            .finish_non_exhaustive()
    }
}

/// The owner of a piece's bytes: returns the buffer when the last part of the piece is dropped.
struct Buffer {
    bytes: Vec<u8>,
    size: usize,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.keep(mem::take(&mut self.bytes), self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_the_last_part_of_its_piece_is_gone() {
        let buffers = Arc::new(Buffers::default());
        let piece = buffers.copy(&[1; 5000]).unwrap();
        let place = piece.as_ptr();
        let part = piece.slice(4000..);
        drop(piece);
        let other = buffers.copy(&[2; 5000]).unwrap();
        assert_ne!(other.as_ptr(), place);
        assert!(part.iter().all(|byte| *byte == 1));
        drop(part);
        // Any length up to the same power of two.
        let again = buffers.copy(&[3; 8192]).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (place, 8192));
        assert!(again.iter().all(|byte| *byte == 3));
    }

    #[test]
    fn what_is_small_or_large_is_not_copied() {
        let buffers = Arc::new(Buffers::default());
        for (length, copied) in [
            (0, false),
            (LEAST - 1, false),
            (LEAST, true),
            (MOST, true),
            (MOST + 1, false),
        ] {
            let copy = buffers.copy(&vec![7; length]);
            assert_eq!(copy.is_some(), copied, "{length}");
            assert!(copy.is_none_or(|copy| copy == vec![7; length]));
        }
    }

    #[test]
    fn only_so_much_is_kept_and_none_when_told() {
        let buffers = Arc::new(Buffers::default());
        let pieces: Vec<_> = (0..KEPT / MOST + 10)
            .map(|_| buffers.copy(&[0; MOST]))
            .collect();
        assert_eq!(buffers.lock().bytes, 0);
        drop(pieces);
        assert_eq!(buffers.lock().bytes, KEPT);
        buffers.forget();
        assert_eq!(buffers.lock().bytes, 0);
        assert_eq!(buffers.lock().of_size, <[Vec<Vec<u8>>; SIZES]>::default());
    }
}
