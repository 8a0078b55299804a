use std::io::{self, Read};
use std::mem;

use bytes::Bytes;

use super::writer::BodyWriter;
use crate::BoxError;

pub(crate) type Chunks = Box<dyn Iterator<Item = Result<Bytes, BoxError>> + Send>;
pub(crate) type Writing = Box<dyn FnOnce(&mut BodyWriter<'_>) -> Result<(), BoxError> + Send>;

/// The application's code that makes the pieces of a body.
pub(crate) enum Source {
    Chunks(Chunks),
    Writing(Writing),
}

/// The pieces of a reader. Drops the reader at its end or first error.
pub(crate) struct ReadChunks<R> {
    reader: Option<R>,
    buffer: Vec<u8>,
}

impl<R> ReadChunks<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader: Some(reader),
            buffer: Vec::new(),
        }
    }
}

impl<R: Read> Iterator for ReadChunks<R> {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        const CHUNK: usize = 64 * 1024;
        let reader = self.reader.as_mut()?;
        // One `read` per piece: a line from a pipe must not wait until 64 KiB are full.
        self.buffer.resize(CHUNK, 0);
        let read = loop {
            match reader.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match read {
            Ok(0) => {
                self.reader = None;
                None
            }
            // A short piece must not keep 64 KiB allocated while it waits for a slow client.
            Ok(length) if length < CHUNK / 2 => {
                let (line, _) = self.buffer.split_at_checked(length)?;
                Some(Ok(Bytes::copy_from_slice(line)))
            }
            Ok(length) => {
                self.buffer.truncate(length);
                Some(Ok(mem::take(&mut self.buffer).into()))
            }
            Err(error) => {
                self.reader = None;
                Some(Err(error))
            }
        }
    }
}
