//! Digests of contents, remembered as long as the file is the same.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use twox_hash::XxHash3_128;

use crate::pool::CHUNK;
use crate::source::{Content, Stamp, Wait};

/// 3 MiB at most; then it begins anew.
const MOST: usize = 32 * 1024;

/// Digests by the state of a file.
#[derive(Default)]
pub(crate) struct Digests {
    known: Mutex<HashMap<Stamp, u128>>,
}

impl Digests {
    /// The digest of a file of `length` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] for a large file, with [`Wait::Never`]: reading all of it takes its time
    /// even where the kernel has it in memory.
    pub(crate) fn of(
        &self,
        content: &Content,
        stamp: Option<Stamp>,
        length: u64,
        wait: Wait,
    ) -> io::Result<u128> {
        if let Some(stamp) = &stamp
            && let Some(&digest) = self.known().get(stamp)
        {
            return Ok(digest);
        }
        let digest = match content {
            Content::Bytes(bytes) => XxHash3_128::oneshot(bytes),
            _ if wait == Wait::Never && length > CHUNK as u64 => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            _ => digest(content, length, wait)?,
        };
        if let Some(stamp) = stamp {
            let mut known = self.known();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(stamp, digest);
        }
        Ok(digest)
    }

    /// Whether the digest of a file in this state is at hand.
    pub(crate) fn has(&self, stamp: &Stamp) -> bool {
        self.known().contains_key(stamp)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Stamp, u128>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest of the first `length` bytes.
fn digest(content: &Content, length: u64, wait: Wait) -> io::Result<u128> {
    let mut hasher = twox_hash::xxhash3_128::Hasher::new();
    let mut offset = 0;
    while offset < length {
        let most = usize::try_from(length - offset).unwrap_or(CHUNK).min(CHUNK);
        let chunk = content.chunk(offset, most, wait)?;
        hasher.write(&chunk);
        offset += chunk.len() as u64;
    }
    Ok(hasher.finish_128())
}
