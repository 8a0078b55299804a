//! Digests of contents, remembered as long as the file is the same.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use twox_hash::XxHash3_128;

use crate::source::pool::CHUNK;
use crate::source::{Content, Stamp, Wait};

/// 3 MiB at most; then it begins anew.
const MOST: usize = 32 * 1024;

/// Digests by the state of a file.
#[derive(Default)]
pub(crate) struct Digests {
    known: Mutex<HashMap<Stamp, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    digest: u128,
    /// Whether the file had been left alone for long enough that no other content can have this stamp.
    settled: bool,
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
        // Before reading: what is written meanwhile has a later time.
        let settled = stamp.is_some_and(|stamp| stamp.is_settled(SystemTime::now()));
        if let Some(stamp) = &stamp
            && let Some(known) = self.known().get(stamp)
            && known.settled
        {
            return Ok(known.digest);
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
            known.insert(stamp, Known { digest, settled });
        }
        Ok(digest)
    }

    /// Whether a file in this state was read before.
    pub(crate) fn has(&self, stamp: &Stamp) -> bool {
        self.known().contains_key(stamp)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Stamp, Known>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::since_epoch;

    fn digest_of(digests: &Digests, content: &'static str, stamp: Stamp) -> u128 {
        let content = Content::Bytes(content.into());
        let digest = digests.of(&content, Some(stamp), 3, Wait::Never);
        digest.unwrap()
    }

    // Two changes within one tick of the file system's clock leave the same stamp.
    #[test]
    fn a_digest_is_believed_again_once_the_file_has_settled() {
        let digests = Digests::default();
        let stamp = |changed| Stamp {
            device: 1,
            inode: 2,
            length: 3,
            modified: (5, 0),
            changed,
        };
        let fresh = stamp(since_epoch(SystemTime::now()));
        let one = digest_of(&digests, "one", fresh);
        assert_ne!(digest_of(&digests, "two", fresh), one);
        assert!(digests.has(&fresh));
        let old = stamp((5, 0));
        assert_eq!(digest_of(&digests, "one", old), one);
        assert_eq!(digest_of(&digests, "not read", old), one);
    }
}
