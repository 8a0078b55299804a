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
use gateway_core::error::Reported;
use gateway_core::{BoxError, FailedBy};
use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body;
use panic_capture::{Caught, Guard, Here, discard, guard};
use pin_project_lite::pin_project;

use crate::{
    ResponseBody,
    body::stream_state::{FirstPoll, StreamState, poll_first},
    failure::{
        cause::{Cause, Classified},
        facts::Stage,
        response::Explanation,
    },
    in_request,
    pending::{
        emit::emit_unexplained,
        pending_report::{self, OwnBody, PendingReport},
    },
    record::{RequestLine, RequestRecord, SharedRecord},
    render,
};

pin_project! {
    #[project = ResponseFutureProjection]
    /// The future of [`Exceptions`](crate::Exceptions): `F` is the handler's, `B` the body that it answers with.
    pub struct ResponseFuture<F, B> {
        #[pin]
        inner: Option<F>,
        line: RequestLine,
        state: State<B>,
    }

    impl<F, B> PinnedDrop for ResponseFuture<F, B> {
        fn drop(this: Pin<&mut Self>) {
            // The future took it when it was ready.
            if this.inner.is_some() {
                this.drop_early();
            }
        }
    }
}

enum State<B> {
    /// The handler runs, or has answered.
    Running(Arc<SharedRecord>),
    /// One variant for all failures: with a third, the drop of the happy ones costs more.
    Failed(Box<PendingResponse<B>>),
}

/// A failure that is being reported, and the response that follows.
struct PendingResponse<B> {
    pending: PendingReport,
    /// The program's own response to it. `None`: ours, and ours again if it is polled once more.
    own: Option<Response<ResponseBody<B>>>,
}

impl<F, B> ResponseFuture<F, B> {
    #[inline(always)]
    pub(crate) fn running(inner: F, line: RequestLine, shared: Arc<SharedRecord>) -> Self {
        Self {
            inner: Some(inner),
            line,
            state: State::Running(shared),
        }
    }

    /// For a request whose handler will not run.
    pub(crate) fn failed(
        classified: impl Into<Classified>,
        stage: Stage,
        record: &RequestRecord,
    ) -> Self {
        Self {
            inner: None,
            line: RequestLine::empty(),
            state: State::failed(PendingReport::new(classified, stage, record), None),
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

impl<F, R, E> Future for ResponseFuture<F, R>
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
        let guard = Guard::enter_answering(&here);
        // Matched where it lies and taken apart at once: a response is large, and to move it costs more than
        // everything else in here.
        match guard.catch(|| handler.poll(cx)) {
            Ok(Poll::Ready(Ok(response))) if response.status().as_u16() < 400 => {
                this.release(response, &guard, cx)
            }
            Ok(Poll::Ready(Ok(response))) => unboxed(this.release_failure(response, &guard, cx)),
            Ok(Poll::Pending) => {
                this.answer_if_asked();
                Poll::Pending
            }
            Ok(Poll::Ready(Err(error))) => {
                let failed = FailureSource::<E, R::Error>::Handler(error);
                unboxed(this.answer_failure(failed, Stage::Future, cx))
            }
            Err(payload) => {
                let failed = FailureSource::<E, R::Error>::Panic(guard.caught(payload));
                unboxed(this.answer_failure(failed, Stage::Future, cx))
            }
        }
    }
}

/// The answer to a failure comes in a box: a function that writes an answer where its caller says keeps all other answers
/// in memory as well, the happy ones too.
#[inline(always)]
fn unboxed<B>(answer: Poll<Box<Response<ResponseBody<B>>>>) -> Poll<Answer<B>> {
    answer.map(|response| Ok(*response))
}

/// How the request failed before the head was sent.
enum FailureSource<E, B> {
    Handler(E),
    Body(B),
    Panic(Caught),
}

impl<F, B> ResponseFutureProjection<'_, F, B> {
    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Box<Response<ResponseBody<B>>>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError> + 'static,
    {
        let State::Failed(failed) = self.state else {
            // Polled again after the handler's answer, which the contract of `Future` leaves open.
            return Poll::Pending;
        };
        failed.poll(cx)
    }

    /// The report of the failure that a response says is behind it.
    /// The handler's response, its body polled once.
    #[inline(always)]
    fn release(
        &mut self,
        response: Response<B>,
        guard: &Guard<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Answer<B>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError> + 'static,
    {
        // Here and not at the end, where what is moved in registers would have to be put somewhere.
        self.answer_if_asked();
        guard.answers_no_more();
        let (parts, mut body) = response.into_parts();
        // Nothing below unwinds. The compiler does not know, and a drop for that case would take the address of what
        // is otherwise moved in registers: 34 instructions.
        let parts = ManuallyDrop::new(parts);
        // Before its body is polled, as without this layer.
        if let Err(payload) = guard.catch(|| self.inner.set(None)) {
            // The response is complete, even if dropping the handler's future panicked.
            pending_report::report_in_background(
                guard.caught(payload),
                Stage::FutureDrop,
                self.record(),
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
                        self.record(),
                    );
                }
                ResponseBody::whole(Some(data))
            }
            Ok(Ok(FirstPoll::Streaming(mut stream))) => {
                self.hand_over(&mut stream, &parts.headers);
                ResponseBody::streaming(body, stream)
            }
            Ok(Err(error)) => {
                let failed = FailureSource::<Infallible, B::Error>::Body(error);
                // A panic in its drop is not reported: only the first failure is.
                discard((ManuallyDrop::into_inner(parts), body));
                return unboxed(self.answer_failure(failed, Stage::BodyStart, cx));
            }
            Err(payload) => {
                let failed = FailureSource::<Infallible, B::Error>::Panic(guard.caught(payload));
                discard((ManuallyDrop::into_inner(parts), body));
                return unboxed(self.answer_failure(failed, Stage::BodyStart, cx));
            }
        };
        let parts = ManuallyDrop::into_inner(parts);
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }

    /// As [`release`](Self::release), of a response that may say which failure it is about.
    fn release_failure(
        &mut self,
        mut response: Response<B>,
        guard: &Guard<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Box<Response<ResponseBody<B>>>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError> + 'static,
    {
        let pending = self.explanation(response.status(), response.extensions_mut());
        match (self.release(response, guard, cx), pending) {
            // Else the body failed as well, and that is what is answered. The first failure is reported when it is dropped.
            (Poll::Ready(Ok(own)), Some(pending)) if matches!(self.state, State::Running(_)) => {
                *self.state = State::failed(pending, Some(own));
                self.poll_report(cx)
            }
            (answer, _) => answer.map(|Ok(response)| Box::new(response)),
        }
    }

    fn explanation(
        &self,
        status: StatusCode,
        extensions: &mut Extensions,
    ) -> Option<PendingReport> {
        let (failed_by, error) = match Explanation::of(status, extensions) {
            Explanation::NotNeeded => return None,
            Explanation::Given(failed_by) => (failed_by, failed_by.shared_error()?),
            Explanation::Missing => {
                emit_unexplained(&self.record()?, status);
                extensions.insert(Reported);
                return None;
            }
        };
        let record = self.record()?;
        let statuses = &record.config().statuses;
        match Classified::of_response(failed_by, error, status, statuses) {
            Classified::NoFailure(_) => None,
            failure @ Classified::Failure(_) => {
                Some(PendingReport::new(failure, Stage::Future, &record))
            }
        }
    }

    /// Tells detached work of which request it is, whatever came of the poll.
    #[inline(always)]
    fn answer_if_asked(&self) {
        if let State::Running(shared) = &self.state {
            in_request::answer_if_asked(self.line, shared);
        }
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

    fn answer_failure<E>(
        &mut self,
        failed: FailureSource<E, B::Error>,
        stage: Stage,
        cx: &mut Context<'_>,
    ) -> Poll<Box<Response<ResponseBody<B>>>>
    where
        E: Into<BoxError> + 'static,
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError> + 'static,
    {
        self.fail(failed, stage);
        self.poll_report(cx)
    }

    fn fail<E, R>(&mut self, failed: FailureSource<E, R>, stage: Stage)
    where
        E: Into<BoxError> + 'static,
        R: Into<BoxError> + 'static,
    {
        self.answer_if_asked();
        // Ignore a second panic, in the drop: only the first is reported.
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
        *self.state = State::failed(PendingReport::new(classified, stage, &record), None);
    }
}

impl<B> State<B> {
    fn failed(pending: PendingReport, own: Option<Response<ResponseBody<B>>>) -> Self {
        Self::Failed(Box::new(PendingResponse { pending, own }))
    }
}

impl<B> PendingResponse<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Box<Response<ResponseBody<B>>>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError> + 'static,
    {
        ready!(self.pending.poll_emitted(cx));
        let Some(mut own) = self.own.take() else {
            return Poll::Ready(Box::new(self.pending.response().map(ResponseBody::whole)));
        };
        if let Some(page) = self.pending.in_place_of(own_body(&own)) {
            let (page, content) = page.into_parts();
            let (mut parts, body) = own.into_parts();
            discard(body);
            render::replace_content(&mut parts.headers, page.headers);
            // A page for a developer is no bare answer, even where it replaces one.
            parts.extensions.remove::<FailedBy>();
            own = Response::from_parts(parts, ResponseBody::whole(content));
        }
        self.pending.mark(&mut own);
        Poll::Ready(Box::new(own))
    }
}

/// What the program says itself about its failure.
fn own_body<B>(response: &Response<ResponseBody<B>>) -> OwnBody
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError> + 'static,
{
    let is_bare = FailedBy::of(response.extensions()).is_some_and(FailedBy::is_bare);
    let body = response.body();
    let is_empty = body.is_end_stream() || body.size_hint().exact() == Some(0);
    // That of HEAD is empty, and its length is that of GET (RFC 9110 section 8.6).
    let length = response.headers().get(header::CONTENT_LENGTH);
    let says_nothing = is_empty && length.is_none_or(|length| length == "0");
    if is_bare || says_nothing {
        OwnBody::Bare
    } else {
        OwnBody::Text
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

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
