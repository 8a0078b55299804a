//! Whether a compressed sibling is a copy of its file.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::protocol::negotiate::Coding;
use crate::source::pool::CHUNK;
use crate::source::{Content, Wait};

/// Browsers decode no zstd that needs a larger window (RFC 9659).
const ZSTD_WINDOW: u64 = 8 << 20;

/// A file, or a sibling of it.
pub(super) struct Part<'a> {
    pub(super) content: &'a Content,
    pub(super) length: u64,
}

/// Whether `sibling` decodes to the `original`, byte for byte. Never decodes more than one byte past the original's
/// length, whatever the sibling holds.
///
/// # Errors
/// What reading or decoding says; reading fails too where it is not wanted any more.
pub(super) fn is_copy(
    sibling: &Part<'_>,
    coding: Coding,
    original: &Part<'_>,
    wanted: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let input = Input {
        content: sibling.content,
        offset: 0,
        length: sibling.length,
        wanted,
    };
    match coding {
        Coding::Brotli => compare(Decompressor::new(input, CHUNK), original),
        Coding::Gzip => compare(MultiGzDecoder::new(input), original),
        Coding::Zstd => compare(Frames::new(input), original),
        Coding::Identity => compare(input, original),
    }
}

fn compare(mut decoded: impl Read, original: &Part<'_>) -> io::Result<bool> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let most = usize::try_from(original.length - offset).unwrap_or(CHUNK);
        let space = buffer.get_mut(..most.saturating_add(1).min(CHUNK));
        let read = decoded.read(space.unwrap_or_default())?;
        if read == 0 {
            return Ok(offset == original.length);
        }
        if read > most {
            return Ok(false);
        }
        let expected = original.content.exactly(offset, read, Wait::Allowed)?;
        if buffer.get(..read) != Some(&*expected) {
            return Ok(false);
        }
        offset += read as u64;
    }
}

/// The bytes of a sibling.
struct Input<'a> {
    content: &'a Content,
    offset: u64,
    length: u64,
    wanted: &'a dyn Fn() -> bool,
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not `Interrupted`, after which decoders try again.
        if !(self.wanted)() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let left = usize::try_from(self.length - self.offset).unwrap_or(usize::MAX);
        let most = left.min(buffer.len()).min(CHUNK);
        if most == 0 {
            return Ok(0);
        }
        let chunk = self.content.chunk(self.offset, most, Wait::Allowed)?;
        let read = chunk.len().min(buffer.len());
        buffer
            .iter_mut()
            .zip(&chunk)
            .for_each(|(to, from)| *to = *from);
        self.offset += read as u64;
        Ok(read)
    }
}

/// The frames of a zstd file, one after the other.
enum Frames<R: Read> {
    Between(R),
    Within(Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>),
    Done,
}

impl<R: Read> Frames<io::BufReader<R>> {
    fn new(input: R) -> Self {
        Self::Between(io::BufReader::with_capacity(CHUNK, input))
    }
}

impl<R: io::BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            *self = match std::mem::replace(self, Self::Done) {
                Self::Done => return Ok(0),
                Self::Between(mut input) => {
                    if input.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let frame = StreamingDecoder::new_with_max_window_size(input, ZSTD_WINDOW);
                    Self::Within(Box::new(frame.map_err(io::Error::other)?))
                }
                Self::Within(mut frame) => {
                    let read = frame.read(buffer)?;
                    if read > 0 {
                        *self = Self::Within(frame);
                        return Ok(read);
                    }
                    Self::Between(frame.into_inner())
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(content, level)
    }

    fn brotli(content: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        let parameters = brotli::enc::BrotliEncoderParams {
            quality: 1,
            ..Default::default()
        };
        brotli::BrotliCompress(&mut &*content, &mut encoded, &parameters).unwrap();
        encoded
    }

    type Encode = fn(&[u8]) -> Vec<u8>;

    fn encoders() -> [(Coding, Encode); 3] {
        [
            (Coding::Brotli, brotli),
            (Coding::Zstd, zstd),
            (Coding::Gzip, gzip),
        ]
    }

    fn counts(sibling: Vec<u8>, coding: Coding, original: &[u8]) -> Option<bool> {
        let content = [sibling, original.to_vec()].map(|bytes| Content::Bytes(bytes.into()));
        let [sibling, original] = content.each_ref().map(|content| Part {
            content,
            length: match content {
                Content::Bytes(bytes) => bytes.len() as u64,
                _ => 0,
            },
        });
        is_copy(&sibling, coding, &original, &|| true).ok()
    }

    #[test]
    fn a_sibling_that_decodes_to_the_file_is_a_copy_and_no_other() {
        let long: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
        for (coding, encode) in encoders() {
            for original in [&b""[..], b"x", b"hello, hello, hello", &long] {
                let other = [original, b"!"].concat();
                let name = coding.name();
                assert_eq!(
                    counts(encode(original), coding, original),
                    Some(true),
                    "{name}"
                );
                assert_eq!(
                    counts(encode(&other), coding, original),
                    Some(false),
                    "{name} longer"
                );
                assert_eq!(
                    counts(encode(original), coding, &other),
                    Some(false),
                    "{name} shorter"
                );
                let mut cut = encode(original);
                cut.truncate(cut.len() / 2);
                if !original.is_empty() {
                    assert_ne!(counts(cut, coding, original), Some(true), "{name} cut");
                    let same_length = vec![b'?'; original.len()];
                    let stale = encode(&same_length);
                    assert_eq!(counts(stale, coding, original), Some(false), "{name} stale");
                }
            }
            for garbage in [
                &b""[..],
                b"gzipped",
                b"\x1f\x8b\x08",
                b"\x28\xb5\x2f\xfd",
                &[0xff; 100],
            ] {
                assert_ne!(counts(garbage.to_vec(), coding, b"content"), Some(true));
            }
        }
    }

    #[test]
    fn several_members_or_frames_are_one_file() {
        for (coding, encode) in encoders().into_iter().skip(1) {
            let two = [encode(b"one, "), encode(b"two")].concat();
            assert_eq!(
                counts(two, coding, b"one, two"),
                Some(true),
                "{}",
                coding.name()
            );
        }
    }

    struct Counting {
        bytes: Vec<u8>,
        read: AtomicU64,
    }

    impl crate::source::ReadAt for Counting {
        fn read_at(&self, buffer: &mut [u8], offset: u64, _: Wait) -> io::Result<usize> {
            let rest = self.bytes.get(usize::try_from(offset).unwrap()..).unwrap();
            let read = rest.len().min(buffer.len());
            buffer[..read].copy_from_slice(&rest[..read]);
            self.read.fetch_add(read as u64, Ordering::Relaxed);
            Ok(read)
        }
    }

    // 64 MiB of zeros in 60 KB or less: decoding stops at the first byte too many.
    #[test]
    fn a_bomb_is_not_decoded_to_its_end() {
        for (coding, encode) in encoders() {
            // Random enough that it does not fit into one read.
            let mut state = 1_u64;
            let noise = (0..1_000_000).map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            });
            let bytes = encode(&noise.collect::<Vec<u8>>());
            let length = bytes.len() as u64;
            let read = AtomicU64::new(0);
            let reader = Arc::new(Counting { bytes, read });
            let content = Content::Reader(reader.clone());
            let original = Content::Bytes(b"".as_slice().into());
            let [sibling, original] = [(&content, length), (&original, 0)]
                .map(|(content, length)| Part { content, length });
            let copy = is_copy(&sibling, coding, &original, &|| true);
            assert_eq!(copy.ok(), Some(false), "{}", coding.name());
            let read = reader.read.load(Ordering::Relaxed);
            assert!(read < length / 2, "{}: {read} of {length}", coding.name());
            let unwanted = is_copy(&sibling, coding, &original, &|| false);
            assert!(unwanted.is_err());
        }
    }
}
