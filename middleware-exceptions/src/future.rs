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
    body::watched::{Started, Watch, start},
    context::{Account, Brief, Witness},
    failure::{
        cause::{Cause, Outcome},
        facts::Stage,
    },
    pending::finish::{self, Finishing},
};

pin_project! {
    #[project = ResponseFutureProjection]
    /// The future of [`Exceptions`](crate::Exceptions).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        brief: Brief,
        state: State,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // It was taken when it was ready.
            if this.inner.is_some() {
                this.leave();
            }
        }
    }
}

enum State {
    /// The handler runs, or has answered.
    Running(Arc<Account>),
    /// Polled once more after its answer, it answers again.
    Failed(Box<Finishing>),
}

impl<F> ResponseFuture<F> {
    #[inline(always)]
    pub(crate) fn running(inner: F, brief: Brief, account: Arc<Account>) -> Self {
        Self {
            inner: Some(inner),
            brief,
            state: State::Running(account),
        }
    }

    /// Of a request whose handler will not run.
    pub(crate) fn failed(outcome: impl Into<Outcome>, stage: Stage, witness: &Witness) -> Self {
        Self {
            inner: None,
            brief: Brief::nothing(),
            state: State::Failed(Box::new(Finishing::new(outcome, stage, witness))),
        }
    }

    /// Dropped while it runs: the client is gone, or a timeout has struck.
    fn leave(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Err(caught) = guard(|| this.inner.set(None)) {
            finish::later(caught, Stage::FutureDrop, this.witness());
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
            return unboxed(this.poll_finishing(cx));
        };
        let here = Here::new();
        let guard = Guard::enter(&here);
        // Matched where it lies and taken apart at once: a response is large, and to move it costs more than
        // everything else in here.
        let (parts, mut body) = match guard.catch(|| handler.poll(cx)) {
            Ok(Poll::Ready(Ok(response))) => response.into_parts(),
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Err(error))) => {
                let failed = Failed::<E, R::Error>::Handler(error);
                return unboxed(this.answer_failure(failed, Stage::Future, cx));
            }
            Err(payload) => {
                let failed = Failed::<E, R::Error>::Panic(guard.caught(payload));
                return unboxed(this.answer_failure(failed, Stage::Future, cx));
            }
        };
        // Nothing below unwinds. The compiler does not know, and a drop for that case would take the address of what
        // is otherwise moved in registers: 34 instructions.
        let parts = ManuallyDrop::new(parts);
        // Before its body is polled, as without this layer.
        if let Err(payload) = guard.catch(|| this.inner.set(None)) {
            // The response is complete, whatever the handler's leavings did.
            finish::later(guard.caught(payload), Stage::FutureDrop, this.witness());
        }
        // Of HEAD as well, so that what fails now has the status of GET (RFC 9110 section 9.3.2).
        let started = guard.catch(|| start(&mut body, cx));
        let body = match started {
            Ok(Ok(Started::Whole(data))) => {
                // The inner body is not polled again.
                if let Err(payload) = guard.catch(|| drop(body)) {
                    finish::later(guard.caught(payload), Stage::BodyDrop, this.witness());
                }
                ResponseBody::whole(Some(data))
            }
            Ok(Ok(Started::Watched(mut watch))) => {
                this.hand_over(&mut watch, &parts.headers);
                ResponseBody::watched(body, watch)
            }
            Ok(Err(error)) => {
                let failed = Failed::<E, R::Error>::Body(error);
                // What its drop has to say adds nothing to the first failure.
                discard((ManuallyDrop::into_inner(parts), body));
                return unboxed(this.answer_failure(failed, Stage::BodyStart, cx));
            }
            Err(payload) => {
                let failed = Failed::<E, R::Error>::Panic(guard.caught(payload));
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
enum Failed<E, B> {
    Handler(E),
    Body(B),
    Panic(Caught),
}

impl<F> ResponseFutureProjection<'_, F> {
    fn poll_finishing<B>(&mut self, cx: &Context<'_>) -> Poll<Box<Response<ResponseBody<B>>>> {
        let State::Failed(finishing) = self.state else {
            // Polled again after the handler's answer, which the contract of `Future` leaves open.
            return Poll::Pending;
        };
        ready!(finishing.poll_told(cx));
        Poll::Ready(Box::new(finishing.response().map(ResponseBody::whole)))
    }

    /// The body goes on with it.
    fn hand_over(&self, watch: &mut Watch, headers: &HeaderMap) {
        if let Some(witness) = self.witness() {
            watch.may_append = witness.config().append && may_append(headers, &witness);
            watch.witness = Some(witness);
        }
    }

    fn witness(&self) -> Option<Witness> {
        match &self.state {
            State::Running(account) => Some(Witness {
                brief: *self.brief,
                account: Arc::clone(account),
            }),
            State::Failed(_) => None,
        }
    }

    fn answer_failure<E, B>(
        &mut self,
        failed: Failed<E, B::Error>,
        stage: Stage,
        cx: &Context<'_>,
    ) -> Poll<Box<Response<ResponseBody<B>>>>
    where
        E: Into<BoxError> + 'static,
        B: Body,
        B::Error: Into<BoxError> + 'static,
    {
        self.fail(failed, stage);
        self.poll_finishing(cx)
    }

    fn fail<E, B>(&mut self, failed: Failed<E, B>, stage: Stage)
    where
        E: Into<BoxError> + 'static,
        B: Into<BoxError> + 'static,
    {
        // A second panic, of the drop, adds nothing to the first.
        if let Err(second) = guard(|| self.inner.set(None)) {
            discard(second.payload);
        }
        let Some(witness) = self.witness() else {
            return;
        };
        let outcome = match failed {
            Failed::Handler(error) => Outcome::of_error(error, &witness.config().statuses),
            Failed::Body(error) => Outcome::of_error(error, &witness.config().statuses),
            Failed::Panic(caught) => Cause::of_panic(caught).into(),
        };
        *self.state = State::Failed(Box::new(Finishing::new(outcome, stage, &witness)));
    }
}

/// Whether text may be added to this body after it has failed: nothing may depend on its
/// length or its coding.
fn may_append(headers: &HeaderMap, witness: &Witness) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    // In HTML a message would be markup, with the scripts of a client that wrote into it.
    let is_plain = |value: &HeaderValue| {
        let mut parts = value.as_bytes().split(|byte| *byte == b';');
        let essence = parts.next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"text/plain")
    };
    types.next().is_some_and(is_plain)
        && types.next().is_none()
        && witness.may_be_shown()
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !witness.is_head()
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
