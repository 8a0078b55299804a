use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;

/// Where [`Body::from_writer`](crate::Body::from_writer) writes to.
#[derive(Debug)]
pub struct BodyWriter<'a> {
    target: Target<'a>,
    written: u64,
}

enum Target<'a> {
    Direct(&'a mut dyn Write),
    Handoff(&'a dyn PieceSink),
}

/// Takes the pieces of a writer for another thread.
pub(crate) trait PieceSink {
    /// Copies `written` into a piece.
    fn copied(&self, written: &[u8]) -> Bytes;

    /// Queues a piece. Blocks until there is room for it.
    fn push(&self, piece: Bytes) -> io::Result<()>;

    /// Releases the response's head before there is anything to follow it.
    fn release_head(&self);
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct(_) => "Direct",
            Self::Handoff(_) => "Handoff",
        })
    }
}

impl<'a> BodyWriter<'a> {
    pub(crate) fn direct(out: &'a mut dyn Write) -> Self {
        Self {
            target: Target::Direct(out),
            written: 0,
        }
    }

    pub(crate) fn handoff(handoff: &'a dyn PieceSink) -> Self {
        Self {
            target: Target::Handoff(handoff),
            written: 0,
        }
    }

    /// The number of bytes written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Sends a piece without copying it.
    ///
    /// # Errors
    ///
    /// The client is gone, or takes nothing for too long.
    pub fn send(&mut self, piece: impl Into<Bytes>) -> io::Result<()> {
        let piece = piece.into();
        let length = piece.len() as u64;
        match &mut self.target {
            Target::Direct(out) => out.write_all(&piece)?,
            Target::Handoff(handoff) => handoff.push(piece)?,
        }
        self.written += length;
        Ok(())
    }
}

/// How much one `write` takes.
const MOST: usize = 64 * 1024;

impl Write for BodyWriter<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let length = match &mut self.target {
            Target::Direct(out) => out.write(piece)?,
            Target::Handoff(handoff) => {
                // A huge `write` waits for room as often as many small ones.
                let (piece, _) = piece.split_at_checked(MOST).unwrap_or((piece, &[]));
                handoff.push(handoff.copied(piece))?;
                piece.len()
            }
        };
        self.written += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Direct(out) => out.flush(),
            // Each piece is on its way already. The head may not be, if there was no piece.
            Target::Handoff(handoff) => {
                handoff.release_head();
                Ok(())
            }
        }
    }
}
