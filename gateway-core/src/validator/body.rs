use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::breach::{Reporter, Side};
use super::rules::Length;

pin_project! {
    /// A body as it is, watched.
    #[derive(Debug)]
    pub struct ValidatedBody<B> {
        #[pin]
        body: B,
        check: Option<BodyCheck>,
    }
}

#[derive(Debug)]
struct BodyCheck {
    reporter: Reporter,
    // Who makes this body; the other side polls it.
    maker: Side,
    expected: Length,
    promised: Option<u64>,
    came: u64,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    Trailers,
    Reached,
    Failed,
}

impl<B: Body> ValidatedBody<B> {
    pub(super) fn new(body: B, reporter: Reporter, maker: Side, expected: Length) -> Self {
        let promised = body.size_hint().exact();
        Self {
            body,
            check: Some(BodyCheck {
                reporter,
                maker,
                expected,
                promised,
                came: 0,
                end: End::NotYet,
            }),
        }
    }
}

impl<B> ValidatedBody<B> {
    pub(super) fn unchecked(body: B) -> Self {
        Self { body, check: None }
    }
}

impl<B: Default> Default for ValidatedBody<B> {
    fn default() -> Self {
        Self::unchecked(B::default())
    }
}

impl BodyCheck {
    fn breach(&self, rule: &'static str, detail: impl fmt::Display) {
        self.reporter.breach(self.maker, rule, detail);
    }

    fn polled(&self) {
        if matches!(self.end, End::Reached | End::Failed) {
            let poller = match self.maker {
                Side::Gateway => Side::Application,
                Side::Application => Side::Gateway,
            };
            let rule = "a body is not polled after its end (http_body::Body)";
            self.reporter
                .breach(poller, rule, format_args!("{:?}", self.end));
        }
    }

    fn data(&mut self, length: u64, said_end: bool) {
        if self.end == End::Trailers {
            self.breach("nothing after the trailers (RFC 9110 section 6.5)", "data");
        }
        if said_end && length > 0 {
            self.breach("is_end_stream means the end (http_body::Body)", "data came");
        }
        let before = self.came;
        self.came += length;
        let at_fault = |limit: u64| before <= limit && self.came > limit;
        match self.expected {
            Length::Exactly(limit) if at_fault(limit) => {
                let detail = format!("more than the {limit} bytes declared");
                self.breach(
                    "body as long as Content-Length (RFC 9112 section 6.2)",
                    detail,
                );
            }
            Length::Nothing if before == 0 && length > 0 => {
                let rule =
                    "no body to HEAD, nor with 1xx, 204, 205 or 304 (RFC 9110 section 6.4.1)";
                self.breach(rule, format_args!("{length} bytes"));
            }
            Length::Exactly(_) | Length::Nothing | Length::Any => {}
        }
    }

    fn trailers(&mut self) {
        if self.end == End::Trailers {
            self.breach("trailers come once (http_body::Body)", "again");
        }
        self.end = End::Trailers;
    }

    fn ended(&mut self) {
        if self.end == End::Reached {
            return;
        }
        self.end = End::Reached;
        let came = self.came;
        match (self.expected, self.promised) {
            (Length::Exactly(declared), _) if came < declared => {
                let detail = format!("{came} of {declared} bytes");
                self.breach(
                    "body as long as Content-Length (RFC 9112 section 6.2)",
                    detail,
                );
            }
            (_, Some(promised)) if came != promised => {
                let detail = format!("{came} of {promised} bytes");
                self.breach("an exact size_hint is exact (http_body::Body)", detail);
            }
            _ => {}
        }
    }
}

impl<B: Body> Body for ValidatedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Some(check) = this.check {
            check.polled();
        }
        let said_end = this.body.is_end_stream();
        let frame = ready!(this.body.poll_frame(context));
        if let Some(check) = this.check {
            match &frame {
                None => check.ended(),
                Some(Err(_)) => check.end = End::Failed,
                Some(Ok(frame)) => match frame.data_ref() {
                    Some(data) => check.data(data.remaining() as u64, said_end),
                    None if frame.is_trailers() => check.trailers(),
                    None => {}
                },
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
