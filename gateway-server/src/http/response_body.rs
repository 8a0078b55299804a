use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use gateway_core::BoxError;
use gateway_core::error::Reported;
use gateway_core::flush::{FLUSH_TIME, FlushPause};
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::{debug, error};

use super::activity::Event;
use super::guard::ResponseGuard;
use crate::failure::guard;
use crate::framing::{Content, Framing, Unsent, WrongLength};
use crate::log::access::Record;
use crate::log::operator;

pin_project! {
    /// The body of a response on its way out. What it holds is dropped, and the request over, when
    /// hyper has taken the last piece.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        body: Option<B>,
        delivery: Delivery,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut body = this.project().body;
            // Its destructor is the service's code. A panic here would end the connection's task,
            // with the last bytes of this very response unsent.
            if let Err(panicked) = guard(|| body.set(None)) {
                panicked.log();
            }
        }
    }
}

struct Delivery {
    framing: Framing,
    unsent: Unsent,
    record: Option<Box<Record>>,
    version: Version,
    // HTTP/2: the last piece waits for the client's window: the next one was not asked for.
    awaits_window: bool,
    flush: FlushPause,
    // What is said when the pieces before it had the time to be sent.
    // Boxed, as it is moved with every response and filled with nearly none.
    failure: Option<Box<BoxError>>,
    guard: ResponseGuard,
}

impl<B> ResponseBody<B> {
    /// A response with no body at all if it is `None`.
    pub(crate) fn new(
        body: Option<B>,
        framing: Framing,
        version: Version,
        record: Option<Box<Record>>,
        guard: ResponseGuard,
    ) -> Self {
        Self {
            body,
            delivery: Delivery {
                framing,
                unsent: Unsent::of(framing.content),
                record,
                version,
                awaits_window: false,
                flush: FlushPause::default(),
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
        if this.delivery.failure.is_some() {
            return this.delivery.poll_failure(cx);
        }
        this.delivery.asked();
        let Some(mut body) = this
            .body
            .as_pin_mut()
            .filter(|_| !this.delivery.is_nothing())
        else {
            return Poll::Ready(None);
        };
        if this.delivery.is_short() && body.is_end_stream() {
            return this.delivery.mislead(WrongLength::Short, cx);
        }
        // A panic here would end the connection's task: all streams of it, over HTTP/2.
        let polled = match guard(|| body.as_mut().poll_frame(cx)) {
            Ok(polled) => polled,
            Err(panicked) => {
                panicked.log();
                // A normal end would make the body look complete.
                return this.delivery.fail("the response body panicked".into(), cx);
            }
        };
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Err(misled) = this.delivery.count(&frame) {
                    return this.delivery.mislead(misled, cx);
                }
                if let Some(trailers) = frame.trailers_mut() {
                    // RFC 9110 section 6.5.1: not in a trailer section.
                    trailers.remove(CONTENT_LENGTH);
                    trailers.remove(TRANSFER_ENCODING);
                }
                this.delivery.gave(&frame, body.is_end_stream());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = error.into();
                let cause = &*error as &(dyn Error + 'static);
                if Reported::is_behind(cause) {
                    debug!(error = cause, "response body failed");
                } else {
                    error!(error = cause, "response body failed");
                }
                this.delivery.fail(error, cx)
            }
            Poll::Ready(None) if this.delivery.is_short() => {
                this.delivery.mislead(WrongLength::Short, cx)
            }
            Poll::Ready(None) => {
                this.delivery.completed();
                Poll::Ready(None)
            }
            Poll::Pending => {
                this.delivery.flush.was_pending();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        if self.delivery.is_nothing() {
            // Over HTTP/1 hyper leaves a length out that a response without a body has; it is
            // told of a body then that is not asked for anything, HEAD and 304 being what they are.
            return self.delivery.version == Version::HTTP_2
                || self.delivery.framing.length.is_none();
        }
        self.delivery.failure.is_none()
            && !self.delivery.is_short()
            && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let delivery = &self.delivery;
        let nothing = delivery
            .is_nothing()
            .then(|| delivery.framing.length.unwrap_or(0));
        match (nothing.or(delivery.unsent.left()), &self.body) {
            (Some(length), _) => SizeHint::with_exact(length),
            (None, Some(body)) => body.size_hint(),
            (None, None) => SizeHint::with_exact(0),
        }
    }
}

impl Delivery {
    fn is_nothing(&self) -> bool {
        self.framing.content == Content::Nothing
    }

    /// Whether the client waits for more than it was sent.
    fn is_short(&self) -> bool {
        self.unsent.is_short()
    }

    /// Subtracts a frame from the length that remains.
    fn count<D: Buf>(&mut self, frame: &Frame<D>) -> Result<(), WrongLength> {
        match frame.data_ref() {
            Some(data) => self.unsent.take(data.remaining()),
            None => self.unsent.end(),
        }
    }

    /// Ends a response whose length is wrong: the client would misread the rest of the connection.
    fn mislead<T>(
        &mut self,
        misled: WrongLength,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, BoxError>>> {
        error!("{misled}");
        operator::told(&misled);
        self.fail(misled.into(), cx)
    }

    fn asked(&mut self) {
        if self.awaits_window {
            self.awaits_window = false;
            self.guard.activity.on(Event::PieceGone);
        }
    }

    fn gave<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        self.flush.piece_given();
        if self.version == Version::HTTP_2 {
            self.awaits_window = true;
            self.guard.activity.on(Event::PieceGiven);
        } else {
            self.guard.activity.piece_written();
        }
        if let Some(record) = &mut self.record {
            record.sent(frame.data_ref().map_or(0, Buf::remaining));
        }
        if is_last && !self.is_short() {
            self.completed();
        }
    }

    fn completed(&mut self) {
        if let Some(record) = &mut self.record {
            record.completed();
        }
    }

    /// Ends a response that cannot be completed: the client has to see that there is less of it.
    fn fail<T>(
        &mut self,
        error: BoxError,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, BoxError>>> {
        if self.version < Version::HTTP_11 {
            // The end of the connection is the end of the response, unless it is a reset.
            self.guard.activity.cut_short();
        }
        // Where no piece was given it fails at once: best of all is a client that sees no answer, as
        // a proxy makes 502 of that.
        self.failure = Some(Box::new(error));
        self.poll_failure(cx)
    }

    fn poll_failure<T>(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, BoxError>>> {
        ready!(self.flush.poll(FLUSH_TIME, cx));
        Poll::Ready(self.failure.take().map(|error| Err(*error)))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.asked();
    }
}
