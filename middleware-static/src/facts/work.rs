//! Reads a file to find a fact out.

use std::io;

use bytes::Bytes;
use twox_hash::XxHash3_128;
use twox_hash::xxhash3_128::Hasher;

use super::copy::{Part, is_copy};
use super::fact::{Fact, Finding};
use crate::protocol::negotiate::Coding;
use crate::source::pool::CHUNK;
use crate::source::{Content, Stamp, Wait};

/// The files that have to be read to find a fact out.
#[derive(Debug)]
pub(super) enum Work {
    Digest {
        content: Content,
        stamp: Stamp,
        length: u64,
    },
    Copy {
        sibling: (Content, Stamp),
        coding: Coding,
        original: (Content, Stamp),
    },
    CopyOfBytes {
        sibling: Bytes,
        coding: Coding,
        original: Bytes,
    },
}

impl Work {
    pub(super) fn digest(content: &Content, stamp: Stamp, length: u64) -> Self {
        Self::Digest {
            content: content.clone(),
            stamp,
            length,
        }
    }

    pub(super) fn fact(&self) -> Fact {
        match *self {
            Self::CopyOfBytes {
                ref sibling,
                coding,
                ref original,
            } => Fact::CopyOfBytes {
                sibling: XxHash3_128::oneshot(sibling),
                coding,
                original: XxHash3_128::oneshot(original),
            },
            Self::Digest { stamp, .. } => Fact::Digest(stamp),
            Self::Copy {
                sibling: (_, sibling),
                coding,
                original: (_, original),
            } => Fact::Copy {
                sibling,
                coding,
                original,
            },
        }
    }

    /// Does it, on a thread that may block, as long as it is `wanted`.
    pub(super) fn run(&self, wanted: &dyn Fn() -> bool) -> Finding {
        match self {
            Self::Digest {
                content,
                stamp,
                length,
            } => match digest(content, *length, Wait::Allowed, wanted) {
                Ok(digest) if is_still(content, stamp) => Finding::Digest(digest),
                _ => Finding::Unknown,
            },
            Self::Copy {
                sibling,
                coding,
                original,
            } => {
                let [one, other] = [sibling, original].map(|(content, stamp)| Part {
                    content,
                    length: stamp.length,
                });
                let copy = is_copy(&one, *coding, &other, wanted);
                let still = [sibling, original]
                    .iter()
                    .all(|(content, stamp)| is_still(content, stamp));
                match copy {
                    Ok(copy) if still => Finding::Copy(copy),
                    // Bytes that do not decode never will.
                    Err(_) if still && wanted() => Finding::Copy(false),
                    _ => Finding::Unknown,
                }
            }
            Self::CopyOfBytes {
                sibling,
                coding,
                original,
            } => {
                let contents = [sibling, original]
                    .map(|bytes| (Content::Bytes(bytes.clone()), bytes.len() as u64));
                let [one, other] = contents.each_ref().map(|(content, length)| Part {
                    content,
                    length: *length,
                });
                let copy = is_copy(&one, *coding, &other, wanted);
                Finding::Copy(copy.unwrap_or(false))
            }
        }
    }
}

/// Whether a file is in the same state as before: of one that was written meanwhile some of the bytes read are old
/// and some are new.
fn is_still(content: &Content, stamp: &Stamp) -> bool {
    matches!(content.stamp(), Some(Ok(now)) if now == *stamp)
}

/// The digest of the first `length` bytes.
///
/// # Errors
/// What reading says, and [`io::ErrorKind::Interrupted`] where it is not wanted any more.
pub(super) fn digest(
    content: &Content,
    length: u64,
    wait: Wait,
    wanted: &dyn Fn() -> bool,
) -> io::Result<u128> {
    let mut hasher = Hasher::new();
    let mut offset = 0;
    while offset < length {
        if !wanted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = usize::try_from(length - offset).unwrap_or(CHUNK).min(CHUNK);
        let chunk = content.chunk(offset, most, wait)?;
        hasher.write(&chunk);
        offset += chunk.len() as u64;
    }
    Ok(hasher.finish_128())
}
