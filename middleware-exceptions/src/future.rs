//! One request, from the call to the head of its response.

use std::{
    convert::Infallible,
    fmt,
    mem::ManuallyDrop,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body;
use panic_capture::{Caught, Guard, Here, discard, guard};
use pin_project_lite::pin_project;

use crate::{
    ResponseBody,
    body::stream_state::{FirstPoll, StreamState, poll_first},
    failure::{
        cause::{Cause, Classified},
        facts::Stage,
    },
    pending::pending_report::{self, PendingReport},
    record::{RequestLine, RequestRecord, SharedRecord},
};

pin_project! {
    #[project = ResponseFutureProjection]
    /// The future of [`Exceptions`](crate::Exceptions).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        line: RequestLine,
        state: State,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // It was taken when it was ready.
            if this.inner.is_some() {
                this.drop_early();
            }
        }
    }
}

enum State {
    /// The handler runs, or has answered.
    Running(Arc<SharedRecord>),
    /// Polled once more after its answer, it answers again.
    Failed(Box<PendingReport>),
}

impl<F> ResponseFuture<F> {
    #[inline(always)]
    pub(crate) fn running(inner: F, line: RequestLine, shared: Arc<SharedRecord>) -> Self {
        Self {
            inner: Some(inner),
            line,
            state: State::Running(shared),
        }
    }

    /// Of a request whose handler will not run.
    pub(crate) fn failed(
        classified: impl Into<Classified>,
        stage: Stage,
        record: &RequestRecord,
    ) -> Self {
        Self {
            inner: None,
            line: RequestLine::empty(),
            state: State::Failed(Box::new(PendingReport::new(classified, stage, record))),
        }
    }

    /// Dropped while it runs: the client is gone, or a timeout has struck.
    fn drop_early(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Err(caught) = guard(|| this.inner.set(None)) {
            pending_report::report_in_background(caught, Stage::FutureDrop, this.record());
        }
    }
}

type Answer<B> = Result<Response<ResponseBody<B>>, Infallible>;

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError> + 'static,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError> + 'static,
{
    type Output = Answer<R>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(handler) = this.inner.as_mut().as_pin_mut() else {
            return unboxed(this.poll_report(cx));
        };
        let here = Here::new();
        let guard = Guard::enter(&here);
        // Matched where it lies and taken apart at once: a response is large, and to move it costs more than
        // everything else in here.
        let (parts, mut body) = match guard.catch(|| handler.poll(cx)) {
            Ok(Poll::Ready(Ok(response))) => response.into_parts(),
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Err(error))) => {
                let failed = FailureSource::<E, R::Error>::Handler(error);
                return unboxed(this.answer_failure(failed, Stage::Future, cx));
            }
            Err(payload) => {
                let failed = FailureSource::<E, R::Error>::Panic(guard.caught(payload));
                return unboxed(this.answer_failure(failed, Stage::Future, cx));
            }
        };
        // Nothing below unwinds. The compiler does not know, and a drop for that case would take the address of what
        // is otherwise moved in registers: 34 instructions.
        let parts = ManuallyDrop::new(parts);
        // Before its body is polled, as without this layer.
        if let Err(payload) = guard.catch(|| this.inner.set(None)) {
            // The response is complete, whatever the handler's leavings did.
            pending_report::report_in_background(
                guard.caught(payload),
                Stage::FutureDrop,
                this.record(),
            );
        }
        // Of HEAD as well, so that what fails now has the status of GET (RFC 9110 section 9.3.2).
        let started = guard.catch(|| poll_first(&mut body, cx));
        let body = match started {
            Ok(Ok(FirstPoll::Whole(data))) => {
                // The inner body is not polled again.
                if let Err(payload) = guard.catch(|| drop(body)) {
                    pending_report::report_in_background(
                        guard.caught(payload),
                        Stage::BodyDrop,
                        this.record(),
                    );
                }
                ResponseBody::whole(Some(data))
            }
            Ok(Ok(FirstPoll::Streaming(mut stream))) => {
                this.hand_over(&mut stream, &parts.headers);
                ResponseBody::streaming(body, stream)
            }
            Ok(Err(error)) => {
                let failed = FailureSource::<E, R::Error>::Body(error);
                // What its drop has to say adds nothing to the first failure.
                discard((ManuallyDrop::into_inner(parts), body));
                return unboxed(this.answer_failure(failed, Stage::BodyStart, cx));
            }
            Err(payload) => {
                let failed = FailureSource::<E, R::Error>::Panic(guard.caught(payload));
                discard((ManuallyDrop::into_inner(parts), body));
                return unboxed(this.answer_failure(failed, Stage::BodyStart, cx));
            }
        };
        drop(guard);
        let parts = ManuallyDrop::into_inner(parts);
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}

/// The answer to a failure comes in a box: a function that writes an answer where its caller says keeps all other answers
/// in memory as well, the happy ones too.
#[inline(always)]
fn unboxed<B>(answer: Poll<Box<Response<ResponseBody<B>>>>) -> Poll<Answer<B>> {
    answer.map(|response| Ok(*response))
}

/// How it failed before the head went out.
enum FailureSource<E, B> {
    Handler(E),
    Body(B),
    Panic(Caught),
}

impl<F> ResponseFutureProjection<'_, F> {
    fn poll_report<B>(&mut self, cx: &Context<'_>) -> Poll<Box<Response<ResponseBody<B>>>> {
        let State::Failed(pending) = self.state else {
            // Polled again after the handler's answer, which the contract of `Future` leaves open.
            return Poll::Pending;
        };
        ready!(pending.poll_emitted(cx));
        Poll::Ready(Box::new(pending.response().map(ResponseBody::whole)))
    }

    /// The body goes on with it.
    fn hand_over(&self, stream: &mut StreamState, headers: &HeaderMap) {
        if let Some(record) = self.record() {
            stream.may_append = record.config().append && may_append(headers, &record);
            stream.record = Some(record);
        }
    }

    fn record(&self) -> Option<RequestRecord> {
        match &self.state {
            State::Running(shared) => Some(RequestRecord {
                line: *self.line,
                shared: Arc::clone(shared),
            }),
            State::Failed(_) => None,
        }
    }

    fn answer_failure<E, B>(
        &mut self,
        failed: FailureSource<E, B::Error>,
        stage: Stage,
        cx: &Context<'_>,
    ) -> Poll<Box<Response<ResponseBody<B>>>>
    where
        E: Into<BoxError> + 'static,
        B: Body,
        B::Error: Into<BoxError> + 'static,
    {
        self.fail(failed, stage);
        self.poll_report(cx)
    }

    fn fail<E, B>(&mut self, failed: FailureSource<E, B>, stage: Stage)
    where
        E: Into<BoxError> + 'static,
        B: Into<BoxError> + 'static,
    {
        // A second panic, of the drop, adds nothing to the first.
        if let Err(second) = guard(|| self.inner.set(None)) {
            discard(second.payload);
        }
        let Some(record) = self.record() else {
            return;
        };
        let classified = match failed {
            FailureSource::Handler(error) => Classified::of_error(error, &record.config().statuses),
            FailureSource::Body(error) => Classified::of_error(error, &record.config().statuses),
            FailureSource::Panic(caught) => Cause::of_panic(caught).into(),
        };
        *self.state = State::Failed(Box::new(PendingReport::new(classified, stage, &record)));
    }
}

/// Whether text may be added to this body after it has failed: nothing may depend on its
/// length or its coding.
fn may_append(headers: &HeaderMap, record: &RequestRecord) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    // In HTML a message would be markup, with the scripts of a client that wrote into it.
    let is_plain = |value: &HeaderValue| {
        let mut parts = value.as_bytes().split(|byte| *byte == b';');
        let essence = parts.next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"text/plain")
    };
    types.next().is_some_and(is_plain)
        && types.next().is_none()
        && record.may_be_shown()
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !record.is_head()
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
