//! The state of a response body that is streamed, behind one pointer.
//!
//! Responses are moved a dozen times on their way through a server, and every byte of
//! them costs. So this is boxed, and the boxes are used again: a thread that has served a
//! body allocates nothing for the next.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use gateway_core::flush::FlushPause;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::{body::failing::Failing, record::RequestRecord};

/// How many unused boxes a thread keeps. Bodies beyond that allocate.
const KEPT: u32 = 256;

thread_local! {
    static FREE: Cell<Option<Box<StreamState>>> = const { Cell::new(None) };
}

pub(crate) struct StreamState {
    /// `None` only for a body that belongs to no known request.
    pub(crate) record: Option<RequestRecord>,
    /// The result of the first poll, made before the head was sent.
    pub(crate) first: FirstFrame,
    /// The size while `first` waits: that of before the poll, and so what it still is. Asked
    /// again, an inner body may know more than before (a chunked response would turn into one with
    /// a length), or have forgotten to subtract.
    pub(crate) whole: SizeHint,
    /// Whether it is text that a traceback may be appended to.
    pub(crate) may_append: bool,
    /// A panic in `size_hint` or `is_end_stream`, which return no errors: the next poll does.
    pub(crate) hint_failed: Cell<bool>,
    /// Whether the server has yet to send something before the body may fail.
    pub(crate) flush: FlushPause,
    /// The failure of the body.
    pub(crate) failing: Option<Box<Failing>>,
    next: Option<Box<Self>>,
    waiting: u32,
}

pub(crate) enum FirstFrame {
    Nothing,
    Data(Bytes),
    /// Boxed: rare, and three times the size of `Bytes`.
    Trailers(Box<HeaderMap>),
    End,
}

/// The result of the first poll, made before the head was sent.
pub(crate) enum FirstPoll {
    /// The whole body, of a known size.
    Whole(Bytes),
    /// The first frame; more follow.
    Streaming(Box<StreamState>),
}

/// Polls once, before the head is released: what fails now can still be a clean response.
///
/// Does not wait. Called below a guard.
#[inline(always)]
pub(crate) fn poll_first<B>(body: &mut B, cx: &mut Context<'_>) -> Result<FirstPoll, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(FirstPoll::Streaming(StreamState::of(
            FirstFrame::Nothing,
            SizeHint::new(),
        )));
    }
    let size = body.size_hint();
    let first = match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Pending => FirstFrame::Nothing,
        Poll::Ready(None) => FirstFrame::End,
        Poll::Ready(Some(Err(error))) => return Err(error),
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) if size.exact() == Some(data.len() as u64) && body.is_end_stream() => {
                return Ok(FirstPoll::Whole(data));
            }
            Ok(data) => FirstFrame::Data(data),
            Err(frame) => FirstFrame::of_other(frame),
        },
    };
    Ok(FirstPoll::Streaming(StreamState::of(first, size)))
}

impl FirstFrame {
    /// For a frame that is not data.
    pub(crate) fn of_other(frame: Frame<Bytes>) -> Self {
        match frame.into_trailers() {
            Ok(trailers) => Self::Trailers(Box::new(trailers)),
            // A frame is data or trailers.
            Err(_) => Self::Nothing,
        }
    }
}

impl StreamState {
    /// Of a body that no request is known of, as yet.
    pub(crate) fn of(first: FirstFrame, whole: SizeHint) -> Box<Self> {
        let mut flush = FlushPause::default();
        // The head: hyper drops it, too, if the body fails too soon.
        flush.piece_given();
        let stream = Self {
            record: None,
            first,
            whole,
            may_append: false,
            hint_failed: Cell::new(false),
            flush,
            failing: None,
            next: None,
            waiting: 0,
        };
        // The access fails when the thread is ending.
        match FREE.try_with(Cell::take).ok().flatten() {
            Some(mut free) => {
                let next = free.next.take();
                _ = FREE.try_with(|list| list.set(next));
                *free = stream;
                free
            }
            None => Box::new(stream),
        }
    }

    /// Puts the box back; what is in it is dropped.
    pub(crate) fn put_back(mut self: Box<Self>) {
        self.record = None;
        self.first = FirstFrame::Nothing;
        self.failing = None;
        let Ok(next) = FREE.try_with(Cell::take) else {
            return;
        };
        self.waiting = next.as_ref().map_or(0, |next| next.waiting) + 1;
        if self.waiting > KEPT {
            _ = FREE.try_with(|list| list.set(next));
        } else {
            self.next = next;
            _ = FREE.try_with(|list| list.set(Some(self)));
        }
    }
}
