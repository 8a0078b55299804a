//! Bytes on their way out: small ones copied together, large ones passed on as they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

/// From here on copying costs more than one more slice in `writev`.
const WORTH_SHARING: usize = 4096;

/// Slices handed to one `writev`.
const SLICES: usize = 32;

/// A queue of bytes: `copied`, with each of `shared` standing in front of the byte at its offset.
///
/// A response that is small ends up in `copied` alone: one write, and no allocation after the
/// connection's first request.
#[derive(Debug, Default)]
pub(crate) struct Output {
    copied: Vec<u8>,
    shared: VecDeque<(usize, Bytes)>,
    /// How much of `copied` is written.
    written: usize,
    /// Bytes not yet written, of both.
    len: usize,
}

#[cfg_attr(
    not(feature = "fastcgi"),
    expect(dead_code, reason = "SCGI has no records to go back to")
)]
impl Output {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the next copied byte will stand; good until the next [`poll_flush`](Self::poll_flush).
    pub(crate) fn position(&self) -> usize {
        self.copied.len()
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Lets `write` append to the copied bytes; it must not do anything else to them.
    pub(crate) fn put_with<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.copied.len();
        let result = write(&mut self.copied);
        self.len += self.copied.len() - before;
        result
    }

    pub(crate) fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < WORTH_SHARING {
            self.put(&bytes);
        } else {
            self.len += bytes.len();
            self.shared.push_back((self.copied.len(), bytes));
        }
    }

    /// The copied bytes from `position` on, to be changed in place.
    pub(crate) fn patch(&mut self, position: usize) -> &mut [u8] {
        self.copied.get_mut(position..).unwrap_or_default()
    }

    /// Takes back the copied bytes from `position` on; nothing may have been shared since.
    pub(crate) fn rewind(&mut self, position: usize) {
        self.len -= self.copied.len().saturating_sub(position);
        self.copied.truncate(position);
    }

    /// Writes until nothing is left.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        mut io: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        while self.len > 0 {
            let wrote = if self.shared.is_empty() {
                ready!(
                    io.as_mut()
                        .poll_write(cx, self.copied.get(self.written..).unwrap_or_default())
                )?
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = self.fill(&mut slices);
                ready!(
                    io.as_mut()
                        .poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
                )?
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(wrote);
        }
        Poll::Ready(Ok(()))
    }

    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let mut from = self.written;
        let mut count = 0;
        let mut add = |bytes: &'a [u8]| match slices.get_mut(count) {
            Some(slice) if !bytes.is_empty() => {
                *slice = IoSlice::new(bytes);
                count += 1;
                true
            }
            slice => slice.is_some(),
        };
        for (at, bytes) in &self.shared {
            if !(add(self.copied.get(from..*at).unwrap_or_default()) && add(bytes)) {
                return count;
            }
            from = *at;
        }
        add(self.copied.get(from..).unwrap_or_default());
        count
    }

    fn advance(&mut self, mut wrote: usize) {
        self.len -= wrote;
        while wrote > 0 {
            let next = self.shared.front().map_or(self.copied.len(), |(at, _)| *at);
            let of_copied = wrote.min(next - self.written);
            self.written += of_copied;
            wrote -= of_copied;
            if wrote == 0 {
                break;
            }
            let Some((_, bytes)) = self.shared.front_mut() else {
                break;
            };
            let of_shared = wrote.min(bytes.len());
            bytes::Buf::advance(bytes, of_shared);
            wrote -= of_shared;
            if bytes.is_empty() {
                self.shared.pop_front();
            }
        }
        if self.len == 0 {
            self.copied.clear();
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `step` bytes a call, from however many slices.
    struct Trickle {
        step: usize,
        got: Vec<u8>,
    }

    impl AsyncWrite for Trickle {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let step = self.step.min(buf.len());
            self.got.extend_from_slice(&buf[..step]);
            Poll::Ready(Ok(step))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs
                .iter()
                .flat_map(|buf| buf.iter().copied())
                .take(self.step)
                .collect();
            self.got.extend_from_slice(&all);
            Poll::Ready(Ok(all.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn copied_and_shared_bytes_leave_in_the_order_they_came_whatever_the_socket_takes() {
        let large: Bytes = (0..5000_u32).map(|n| n as u8).collect::<Vec<_>>().into();
        for step in [1, 7, 4095, 4097, 1 << 20] {
            let mut output = Output::default();
            let mut expected = Vec::new();
            for round in 0..40_u8 {
                output.put(&[round; 3]);
                expected.extend_from_slice(&[round; 3]);
                if round % 3 != 0 {
                    output.put_bytes(large.clone());
                    expected.extend_from_slice(&large);
                }
            }
            let mut io = Trickle {
                step,
                got: Vec::new(),
            };
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(
                output.poll_flush(&mut cx, Pin::new(&mut io)).is_ready(),
                "step {step}"
            );
            assert!(io.got == expected, "step {step}");
            assert_eq!((output.len(), output.position()), (0, 0), "step {step}");
        }
    }
}
