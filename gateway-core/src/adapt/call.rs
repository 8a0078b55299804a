use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Method, StatusCode, header};
use panic_capture::{Caught, discard, guard};

use super::settings::{Adapted, Settings};
use crate::bare_answer;
use crate::body::Kind;
use crate::request::arrival::conn;
use crate::request::{Arrival, ConnInfo};
use crate::stream::ending::BodyFailure;
use crate::stream::handoff::{Handoff, HandoffConfig, HeldHead, Receiver};
use crate::stream::source::Source;
use crate::threads::timer::Delay;
use crate::threads::work::{Holding, Origin, Run, Turn, Urgency, Work};
use crate::waker_slot::WakerSlot;
use crate::{Application, Body, BoxError, Environ, Error, Input, Response};

/// The response of a [`BlockingService`](super::BlockingService). Dropping it before it is ready
/// cancels the call.
pub struct BlockingFuture<A: Application> {
    call: Arc<Call<A>>,
    step: Step,
    /// The request's body, until the call is submitted.
    input: Input,
    /// Whether the body is awaited before the application is called.
    ahead: bool,
    /// How long the call may still wait for a thread.
    left: Option<Duration>,
    delay: Option<Delay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The head is there; perhaps the body is still arriving.
    Arriving,
    /// The call is in the pool's queue.
    Submitted,
    /// A thread that is awake has had time to take the call.
    Hurried,
}

impl<A: Application> BlockingFuture<A> {
    pub(super) fn new(
        adapted: Arc<Adapted<A>>,
        parts: Parts,
        input: Input,
        ahead: bool,
        left: Option<Duration>,
    ) -> Self {
        let stage = Stage::Asked {
            parts,
            input: Input::empty(),
        };
        Self {
            call: Arc::new(Call::at(stage, adapted)),
            step: Step::Arriving,
            input,
            ahead,
            left,
            delay: None,
        }
    }

    fn submit(&mut self, holding: Holding, origin: Origin) {
        self.step = Step::Submitted;
        self.delay = self.left.and_then(Delay::of);
        self.call
            .submit(mem::take(&mut self.input), holding, origin);
    }

    /// A call that has waited too long: answered with 503.
    pub(super) fn refused(adapted: Arc<Adapted<A>>) -> Self {
        let stage = Stage::Done(Answer::Response(unavailable(&adapted.settings)));
        Self {
            call: Arc::new(Call::at(stage, adapted)),
            step: Step::Hurried,
            input: Input::empty(),
            ahead: false,
            left: None,
            delay: None,
        }
    }
}

impl<A: Application> Future for BlockingFuture<A> {
    type Output = Result<Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.step == Step::Arriving && !this.ahead && !this.input.has_arrived() {
            let origin = this.call.origin();
            match this.call.adapted.pool().take_early(&origin) {
                true => this.submit(Holding::Early, origin),
                // Then like any upload: it takes a thread when its body has filled the buffer.
                false => this.ahead = true,
            }
        }
        if this.step == Step::Arriving {
            let limit = this.call.adapted.input_buffer();
            ready!(this.input.poll_arrival(context, limit));
            match this.input.has_arrived() {
                true => this.submit(Holding::Free, Origin::default()),
                false => {
                    let origin = this.call.origin();
                    this.submit(Holding::Reading, origin);
                }
            }
        }
        let mut registered = false;
        let queued = loop {
            let mut stage = this.call.lock();
            match mem::replace(&mut *stage, Stage::Over) {
                Stage::Done(answer) => {
                    drop(stage);
                    return Poll::Ready(answer.into_result());
                }
                Stage::Over => {
                    return Poll::Ready(Err("the future was polled after its end".into()));
                }
                unfinished => *stage = unfinished,
            }
            let queued = matches!(*stage, Stage::Asked { .. });
            drop(stage);
            if this.step == Step::Submitted {
                // Lets every other task that is due go first: under load a thread that is awake
                // takes this call meanwhile, and perhaps its answer is there without a wake-up.
                this.step = Step::Hurried;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if registered {
                break queued;
            }
            this.call.caller.register(context.waker());
            registered = true;
        };
        if queued {
            this.call.adapted.pool().hurry();
            if let Some(delay) = &mut this.delay {
                ready!(delay.poll(context));
                if this.call.give_up() {
                    return Poll::Ready(Ok(unavailable(&this.call.adapted.settings)));
                }
            }
        }
        Poll::Pending
    }
}

fn unavailable(settings: &Settings) -> Response {
    let mut response: Response = bare_answer::of_status(StatusCode::SERVICE_UNAVAILABLE);
    let later = settings
        .wait_timeout
        .map_or(1, |limit| limit.as_secs().max(1));
    (response.headers_mut()).insert(header::RETRY_AFTER, later.into());
    response
}

impl<A: Application> Drop for BlockingFuture<A> {
    fn drop(&mut self) {
        let stage = mem::replace(&mut *self.call.lock(), Stage::Over);
        drop(self.call.caller.take());
        if !matches!(stage, Stage::Over) {
            self.call.cancelled.store(true, Ordering::Relaxed);
        }
        if matches!(stage, Stage::Asked { .. }) && self.step != Step::Arriving {
            let work: Work = Arc::clone(&self.call) as Work;
            self.call.adapted.pool().remove(&work);
        }
        // The response has no reader: its body has its iterator dropped on a thread that may block.
        discard((stage, mem::take(&mut self.input)));
    }
}

impl<A: Application> fmt::Debug for BlockingFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingFuture")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

enum Answer {
    Response(Response),
    Failed(Error),
    Panicked(Caught),
}

impl Answer {
    fn into_result(self) -> Result<Response, BoxError> {
        match self {
            Self::Response(response) => Ok(response),
            Self::Failed(error) => Err(error.into()),
            Self::Panicked(caught) => caught.resume(),
        }
    }
}

/// One call of the application: submitted by the caller's task, run by a thread that may block.
///
/// One allocation holds all that the two sides share, and is the job in the pool's queue.
struct Call<A: Application> {
    adapted: Arc<Adapted<A>>,
    cancelled: Arc<AtomicBool>,
    stage: Mutex<Stage>,
    /// The task that polls the future.
    caller: WakerSlot,
}

enum Stage {
    Asked {
        parts: Parts,
        /// Empty until the call is submitted.
        input: Input,
    },
    Running,
    /// Answered. The answer is held back until the body has begun.
    HeldBack(Answer),
    Done(Answer),
    /// The caller has the answer, or has dropped the future.
    Over,
}

impl<A: Application> Call<A> {
    fn at(stage: Stage, adapted: Arc<Adapted<A>>) -> Self {
        Self {
            adapted,
            cancelled: Arc::default(),
            stage: Mutex::new(stage),
            caller: WakerSlot::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // Nothing below panics while it holds the lock.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, arrived: Input, holding: Holding, origin: Origin) {
        if let Stage::Asked { input, .. } = &mut *self.lock() {
            *input = arrived;
        }
        let work: Work = Arc::clone(self) as Work;
        if self
            .adapted
            .pool()
            .submit(work, holding, origin, Urgency::Soon)
            .is_err()
        {
            // No runtime runs here, so this thread may block.
            self.respond(|_, _| false);
        }
    }

    /// The connection that the request came over, if the gateway names it.
    fn origin(&self) -> Origin {
        match &*self.lock() {
            Stage::Asked { parts, .. } => {
                conn(&parts.extensions).map_or_else(Origin::default, ConnInfo::origin)
            }
            _ => Origin::default(),
        }
    }

    /// Takes the call back out of the queue; `false` if a thread has it.
    fn give_up(self: &Arc<Self>) -> bool {
        let mut stage = self.lock();
        if !matches!(*stage, Stage::Asked { .. }) {
            return false;
        }
        let asked = mem::replace(&mut *stage, Stage::Over);
        drop(stage);
        let work: Work = Arc::clone(self) as Work;
        self.adapted.pool().remove(&work);
        discard(asked);
        true
    }

    /// Calls the application. Returns the response's body, if this thread is to go on with it: if there is one
    /// and `hold` allows it.
    fn respond(
        self: &Arc<Self>,
        hold: impl FnOnce(Holding, &Origin) -> bool,
    ) -> Option<Arc<Handoff>> {
        let mut stage = self.lock();
        let asked = mem::replace(&mut *stage, Stage::Running);
        let Stage::Asked { parts, mut input } = asked else {
            *stage = Stage::Over;
            return None;
        };
        drop(stage);
        let waits = !input.has_arrived();
        let token = waits.then(|| input.wait_with(self.adapted.reading_patience()));
        let mut bodiless = parts.method == Method::HEAD;
        let cancelled = Arc::clone(&self.cancelled);
        let answered = guard(|| {
            let mut environ = Environ::new(parts, input);
            environ.set_cancelled_flag(cancelled);
            let response = self.adapted.application.respond(&mut environ);
            let writes = matches!(&response, Ok(it) if matches!(it.body().kind, Kind::Writing(_)));
            let watched = writes && environ.get().is_some_and(Arrival::is_watched);
            let origin = match writes || waits {
                true => environ
                    .conn()
                    .map_or_else(Origin::default, ConnInfo::origin),
                false => Origin::default(),
            };
            // Here and not later: its extensions are the application's, and their drop may block or panic.
            drop(environ);
            response.map(|response| (response, watched, origin))
        });
        if self.cancelled.load(Ordering::Relaxed) {
            // The caller has gone. The response's iterator is dropped here, where it may block.
            discard(answered);
            return None;
        }
        let mut going_on = None;
        let answer = match answered {
            Ok(Ok((mut response, watched, origin))) => {
                bodiless |= matches!(
                    response.status(),
                    StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
                );
                let reads_client = token.is_some_and(|token| Arc::strong_count(&token) > 1);
                let config = HandoffConfig {
                    pool: Some(self.adapted.pool.clone()),
                    high_water: self.adapted.settings.output_buffer,
                    patience: self.adapted.writing_patience().watched(watched),
                    origin,
                    reads_client,
                    cancelled: Some(Arc::clone(&self.cancelled)),
                };
                if let Some(receiver) = hand_over(response.body_mut(), config)
                    && !bodiless
                    && let (holding, origin) = receiver.holding()
                    && hold(holding, origin)
                {
                    let head = Arc::clone(self) as Arc<dyn HeldHead>;
                    going_on = Some(receiver.begin(head));
                }
                Answer::Response(response)
            }
            Ok(Err(error)) => Answer::Failed(error),
            Err(caught) => Answer::Panicked(caught),
        };
        let mut stage = self.lock();
        if matches!(*stage, Stage::Over) {
            drop(stage);
            discard(answer);
            return going_on;
        }
        *stage = Stage::HeldBack(answer);
        drop(stage);
        if going_on.is_none() {
            self.deliver(None);
        }
        going_on
    }

    /// Gives the caller the answer that was held back, or `instead` of it.
    fn deliver(&self, instead: Option<Answer>) {
        let mut stage = self.lock();
        let unused = match mem::replace(&mut *stage, Stage::Over) {
            Stage::HeldBack(answer) => {
                let (answer, unused) = match instead {
                    Some(instead) => (instead, Some(answer)),
                    None => (answer, None),
                };
                *stage = Stage::Done(answer);
                unused
            }
            other => {
                *stage = other;
                instead
            }
        };
        drop(stage);
        // It may run the application's destructors.
        discard(unused);
        self.caller.wake();
    }
}

/// Has the pool's threads run the application's iterator or writer, not the task that polls the body.
fn hand_over(body: &mut Body, config: HandoffConfig) -> Option<&Receiver> {
    let source = match mem::take(&mut body.kind) {
        Kind::Chunks { chunks, .. } => Source::Chunks(chunks),
        Kind::Writing(writing) => Source::Writing(writing),
        other => {
            body.kind = other;
            return None;
        }
    };
    body.kind = Kind::received(source, config);
    match &body.kind {
        Kind::Received { receiver, .. } => Some(receiver),
        _ => None,
    }
}

impl<A: Application> HeldHead for Call<A> {
    fn release(&self) {
        self.deliver(None);
    }

    fn replace(&self, failed: BodyFailure) {
        self.deliver(Some(match failed {
            BodyFailure::Error(error) => Answer::Failed(Error::from_boxed(error)),
            BodyFailure::Panic(caught) => Answer::Panicked(caught),
        }));
    }
}

impl<A: Application> Run for Call<A> {
    fn run(self: Arc<Self>, turn: &mut dyn Turn) {
        let going_on = self.respond(|holding, origin| turn.hold(holding, origin));
        turn.did(1);
        drop(self);
        // The same thread begins the body, and the head goes out with its first piece.
        if let Some(handoff) = going_on {
            handoff.run(turn);
        }
    }
}
