use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use gateway_core::{BoxError, Reported};
use http::Version;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::{debug, error};

use super::guard::{ResponseGuard, report_panic};
use crate::log::access::Record;

pin_project! {
    /// The body of a response on its way out. What it holds is dropped, and the request over, when
    /// hyper has taken the last piece.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        body: Option<B>,
        watch: Watch,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut body = this.project().body;
            // Its destructor is the service's code. A panic here would end the connection's task,
            // with the last bytes of this very response unsent.
            let dropped = panic::catch_unwind(AssertUnwindSafe(|| body.set(None)));
            if let Err(panic) = dropped {
                report_panic(&*panic);
            }
        }
    }
}

struct Watch {
    record: Option<Box<Record>>,
    version: Version,
    // HTTP/2: the last piece has not been asked to be followed yet.
    unsent: bool,
    has_given: bool,
    // What the next poll says.
    // Boxed, as it is moved with every response and filled with nearly none.
    failure: Option<Box<BoxError>>,
    guard: ResponseGuard,
}

impl<B> ResponseBody<B> {
    /// A response with no body at all if it is `None`.
    pub(crate) fn new(
        body: Option<B>,
        version: Version,
        record: Option<Box<Record>>,
        guard: ResponseGuard,
    ) -> Self {
        Self {
            body,
            watch: Watch {
                record,
                version,
                unsent: false,
                has_given: false,
                failure: None,
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
        if let Some(error) = this.watch.failure.take() {
            return Poll::Ready(Some(Err(*error)));
        }
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
                return this.watch.fail("the response body panicked".into(), cx);
            }
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.watch.gave(&frame, body.is_end_stream());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = error.into();
                let cause = &*error as &(dyn std::error::Error + 'static);
                if Reported::is_behind(cause) {
                    debug!(error = cause, "response body failed");
                } else {
                    error!(error = cause, "response body failed");
                }
                this.watch.fail(error, cx)
            }
            Poll::Ready(None) => {
                this.watch.completed();
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.watch.failure.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
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
        self.has_given = true;
        if self.version == Version::HTTP_2 {
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

    /// Ends a response that cannot be completed: the client has to see that there is less of it.
    fn fail<T>(&mut self, error: BoxError, cx: &Context<'_>) -> Poll<Option<Result<T, BoxError>>> {
        if self.version < Version::HTTP_11 {
            // The end of the connection is the end of the response, unless it is a reset.
            self.guard.pulse.cut_short();
        }
        if !self.has_given {
            // Best of all is a client that sees no answer: a proxy makes 502 of that.
            return Poll::Ready(Some(Err(error)));
        }
        // hyper drops what it has not sent. It sends what it has whenever it has to wait.
        self.failure = Some(Box::new(error));
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.asked();
    }
}
