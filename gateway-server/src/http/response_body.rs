use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use gateway_core::BoxError;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::{ResponseGuard, report_panic};
use crate::access::Record;

pin_project! {
    /// The body of a response on its way out. What it holds is dropped, and the request over, when
    /// hyper has taken the last piece.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        body: Option<B>,
        watch: Watch,
    }
}

struct Watch {
    record: Option<Box<Record>>,
    is_two: bool,
    // HTTP/2: the last piece has not been asked to be followed yet.
    unsent: bool,
    guard: ResponseGuard,
}

impl<B> ResponseBody<B> {
    /// A response with no body at all if it is `None`.
    pub(crate) fn new(
        body: Option<B>,
        is_two: bool,
        record: Option<Box<Record>>,
        guard: ResponseGuard,
    ) -> Self {
        Self {
            body,
            watch: Watch {
                record,
                is_two,
                unsent: false,
                guard,
            },
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        this.watch.asked();
        let Some(mut body) = this.body.as_pin_mut() else {
            return Poll::Ready(None);
        };
        // A panic here would end the connection's task: all streams of it, over HTTP/2.
        let polled = panic::catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(cx)));
        let polled = match polled {
            Ok(polled) => polled,
            Err(panic) => {
                report_panic(&*panic);
                // An end would look like all of it.
                return Poll::Ready(Some(Err("the response body panicked".into())));
            }
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => this.watch.gave(frame, body.is_end_stream()),
            Poll::Ready(None) => this.watch.completed(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Watch {
    fn asked(&mut self) {
        if self.unsent {
            self.unsent = false;
            self.guard.pulse.piece_gone();
        }
    }

    fn gave<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        if self.is_two {
            self.unsent = true;
            self.guard.pulse.piece_given();
        } else {
            self.guard.pulse.piece_written();
        }
        if let Some(record) = &mut self.record {
            record.sent(frame.data_ref().map_or(0, Buf::remaining));
        }
        if is_last {
            self.completed();
        }
    }

    fn completed(&mut self) {
        if let Some(record) = &mut self.record {
            record.completed();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.asked();
    }
}
