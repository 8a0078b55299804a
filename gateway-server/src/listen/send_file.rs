use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use gateway_core::body::FileRange;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A socket of tokio's.
pub(super) trait Socket: AsFd {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

impl Socket for TcpStream {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx)
    }

    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(Interest::WRITABLE, write)
    }
}

impl Socket for UnixStream {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx)
    }

    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(Interest::WRITABLE, write)
    }
}

/// As [`Listener::poll_send_file`](super::listener::Listener::poll_send_file).
pub(super) fn poll_send_file(
    socket: &impl Socket,
    cx: &mut Context<'_>,
    head: &[u8],
    range: &FileRange,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_write(|| send(socket, head, range)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

fn send(socket: &impl Socket, head: &[u8], range: &FileRange) -> io::Result<usize> {
    if head.is_empty() {
        return send_range(socket, range);
    }
    // MORE: the head waits for the file, and leaves in one segment with its beginning.
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    let sent = rustix::io::retry_on_intr(|| rustix::net::send(socket, head, flags))?;
    if sent < head.len() {
        return Ok(sent);
    }
    // The head was sent, so return the error from the next call.
    Ok(sent + send_range(socket, range).unwrap_or(0))
}

fn send_range(socket: &impl Socket, range: &FileRange) -> io::Result<usize> {
    let mut offset = range.offset();
    let sent = rustix::io::retry_on_intr(|| {
        rustix::fs::sendfile(socket, range.file(), Some(&mut offset), range.len())
    })?;
    if sent == 0 && !range.is_empty() {
        // The length that was promised can no longer be kept.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(sent)
}
