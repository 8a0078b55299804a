//! hyper's own body type out of a body of ours.
//!
//! A hyper service wants [`Incoming`], which only hyper's connections can make; the one that
//! came with the request has no limit and no timeout. So the watched body is written down as the
//! HTTP/1 message it once was, as it is asked for, and a second connection, which has no socket,
//! reads it.

use std::convert::Infallible;
use std::future::{self, Future};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::request_body::RequestBody;

/// `body` as hyper would have made it.
pub(crate) fn incoming(body: RequestBody) -> Incoming {
    let handed_over = Arc::new(Mutex::new(None));
    let hand_over = Arc::clone(&handed_over);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut slot = hand_over.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(request.into_body());
        // Answered at once: the connection is over when the body is read or dropped.
        future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let mut connection = Box::pin(
        http1::Builder::new()
            .keep_alive(false)
            .header_read_timeout(None)
            .auto_date_header(false)
            .serve_connection(Tape::of(body), service),
    );
    // This reads the head and calls the service. The task polls again with a waker of its own.
    let polled = connection
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    if polled.is_pending() {
        tokio::spawn(connection);
    }
    let mut slot = handed_over.lock().unwrap_or_else(PoisonError::into_inner);
    slot.take().expect("all of a valid head was there to read")
}

/// A request as HTTP/1 has it, and nowhere to write the answer to.
#[derive(Debug)]
struct Tape {
    // Written down, not yet read.
    written: BytesMut,
    // The piece after that, not copied before it is read.
    piece: Bytes,
    body: RequestBody,
    is_chunked: bool,
    is_over: bool,
}

impl Tape {
    fn of(body: RequestBody) -> Self {
        // hyper reads the beginning of a body before the service asks for it, unless it is held back.
        let mut written = BytesMut::from("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n");
        let length = body.size_hint().exact();
        match length {
            Some(length) => put(&mut written, &format!("content-length: {length}\r\n\r\n")),
            None => put(&mut written, "transfer-encoding: chunked\r\n\r\n"),
        }
        Self {
            written,
            piece: Bytes::new(),
            body,
            is_chunked: length.is_none(),
            is_over: false,
        }
    }

    fn write_down(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            // An empty chunk would be the last.
            Ok(piece) if piece.is_empty() => {}
            Ok(piece) if self.is_chunked => {
                put(&mut self.written, &format!("{:x}\r\n", piece.len()));
                self.piece = piece;
            }
            Ok(piece) => self.piece = piece,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.end(&trailers);
                }
            }
        }
    }

    fn end(&mut self, trailers: &HeaderMap) {
        self.is_over = true;
        if self.is_chunked {
            put(&mut self.written, "0\r\n");
            for (name, value) in trailers {
                put(&mut self.written, name.as_str());
                put(&mut self.written, ": ");
                self.written.put_slice(value.as_bytes());
                put(&mut self.written, "\r\n");
            }
            put(&mut self.written, "\r\n");
        }
    }
}

fn put(written: &mut BytesMut, text: &str) {
    written.put_slice(text.as_bytes());
}

impl Read for Tape {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let next: &[u8] = if this.written.is_empty() {
                &this.piece
            } else {
                &this.written
            };
            if !next.is_empty() {
                let length = next.len().min(buf.remaining());
                buf.put_slice(next.get(..length).unwrap_or_default());
                if this.written.is_empty() {
                    this.piece.advance(length);
                    if this.piece.is_empty() && this.is_chunked {
                        put(&mut this.written, "\r\n");
                    }
                } else {
                    this.written.advance(length);
                }
                return Poll::Ready(Ok(()));
            }
            if this.is_over {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => this.write_down(frame),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => this.end(&HeaderMap::new()),
            }
        }
    }
}

impl Write for Tape {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
