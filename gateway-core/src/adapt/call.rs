use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use panic_capture::{Caught, discard, guard};

use super::settings::{Settings, Threads};
use crate::body::Kind;
use crate::request::arrival::conn;
use crate::request::{Arrival, ConnInfo};
use crate::stream::ending::Failed;
use crate::stream::handoff::{Handed, Handoff, Opens, Terms};
use crate::stream::source::Source;
use crate::threads::timer::Delay;
use crate::threads::work::{Holding, Origin, Run, Turn, Urgency, Work};
use crate::{Application, Body, BoxError, Environ, Error, FailedBy, Input, Response};

/// The response of a [`BlockingService`](super::BlockingService). Dropping it before it is ready
/// cancels the call.
pub struct BlockingFuture<A: Application> {
    call: Arc<Call<A>>,
    step: Step,
    /// The request's body, until it is submitted.
    input: Input,
    /// Whether it is awaited before the application is called.
    ahead: bool,
    /// How long it may still wait for a thread.
    left: Option<Duration>,
    delay: Option<Delay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The head is there; perhaps the body is still arriving.
    Arriving,
    /// The queue has it.
    Submitted,
    /// A thread that is awake has had the time to take it.
    Hurried,
}

impl<A: Application> BlockingFuture<A> {
    pub(super) fn new(
        threads: Arc<Threads<A>>,
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
            call: Arc::new(Call::at(stage, threads)),
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

    /// The answer to a call that has waited for long enough.
    pub(super) fn refused(threads: Arc<Threads<A>>) -> Self {
        let stage = Stage::Done(Outcome::Response(unavailable(&threads.settings)));
        Self {
            call: Arc::new(Call::at(stage, threads)),
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
            match this.call.threads.pool().take_early(&origin) {
                true => this.submit(Holding::Early, origin),
                // Then as any upload: no thread waits for what may never be sent.
                false => this.ahead = true,
            }
        }
        if this.step == Step::Arriving {
            let limit = this.call.threads.input_buffer();
            ready!(this.input.poll_arrival(context, limit));
            match this.input.has_arrived() {
                true => this.submit(Holding::Free, Origin::default()),
                false => {
                    let origin = this.call.origin();
                    this.submit(Holding::Reading, origin);
                }
            }
        }
        // A waker is cloned and dropped without the lock: both run code of the task's.
        let mut fresh = None;
        let queued = loop {
            let mut progress = this.call.lock();
            match mem::replace(&mut progress.stage, Stage::Over) {
                Stage::Done(outcome) => {
                    drop(progress);
                    return Poll::Ready(outcome.into_result());
                }
                Stage::Over => {
                    return Poll::Ready(Err("the future was polled after its end".into()));
                }
                stage => progress.stage = stage,
            }
            if this.step == Step::Submitted {
                // Lets every other task that is due go first: under load a thread that is awake
                // takes this call meanwhile, and perhaps its answer is there without a wake-up.
                drop(progress);
                this.step = Step::Hurried;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let waker = context.waker();
            let mut before = None;
            if !progress
                .caller
                .as_ref()
                .is_some_and(|it| it.will_wake(waker))
            {
                let Some(fresh) = fresh.take() else {
                    drop(progress);
                    fresh = Some(waker.clone());
                    continue;
                };
                before = progress.caller.replace(fresh);
            }
            let queued = matches!(progress.stage, Stage::Asked { .. });
            drop(progress);
            drop(before);
            break queued;
        };
        if queued {
            this.call.threads.pool().hurry();
            if let Some(delay) = &mut this.delay {
                ready!(delay.poll(context));
                if this.call.give_up() {
                    return Poll::Ready(Ok(unavailable(&this.call.threads.settings)));
                }
            }
        }
        Poll::Pending
    }
}

fn unavailable(settings: &Settings) -> Response {
    let mut response = Response::new(Body::from("Service Unavailable\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let later = settings
        .wait_timeout
        .map_or(1, |limit| limit.as_secs().max(1));
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, later.into());
    FailedBy::bare().attach(response)
}

impl<A: Application> Drop for BlockingFuture<A> {
    fn drop(&mut self) {
        let mut progress = self.call.lock();
        let stage = mem::replace(&mut progress.stage, Stage::Over);
        let caller = progress.caller.take();
        drop(progress);
        drop(caller);
        if !matches!(stage, Stage::Over) {
            self.call.cancelled.store(true, Ordering::Relaxed);
        }
        if matches!(stage, Stage::Asked { .. }) && self.step != Step::Arriving {
            let work: Work = Arc::clone(&self.call) as Work;
            self.call.threads.pool().remove(&work);
        }
        // The response has no reader: its body has its iterator dropped where that may block.
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

enum Outcome {
    Response(Response),
    Failed(Error),
    Panicked(Caught),
}

impl Outcome {
    fn into_result(self) -> Result<Response, BoxError> {
        match self {
            Self::Response(response) => Ok(response),
            Self::Failed(error) => Err(error.into()),
            Self::Panicked(caught) => caught.resume(),
        }
    }
}

/// One call of the application: made on the caller's side, done on a thread that may block.
///
/// One allocation for all that the two sides share, the queue's handle included.
struct Call<A: Application> {
    threads: Arc<Threads<A>>,
    cancelled: Arc<AtomicBool>,
    progress: Mutex<Progress>,
}

struct Progress {
    stage: Stage,
    caller: Option<Waker>,
}

enum Stage {
    Asked {
        parts: Parts,
        /// Nothing before it is submitted.
        input: Input,
    },
    Running,
    /// Answered, and held back until the body has begun.
    Opening(Outcome),
    Done(Outcome),
    /// The caller has it, or wants it no more.
    Over,
}

impl<A: Application> Call<A> {
    fn at(stage: Stage, threads: Arc<Threads<A>>) -> Self {
        Self {
            threads,
            cancelled: Arc::default(),
            progress: Mutex::new(Progress {
                stage,
                caller: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing below panics while it holds the lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, arrived: Input, holding: Holding, origin: Origin) {
        if let Stage::Asked { input, .. } = &mut self.lock().stage {
            *input = arrived;
        }
        let work: Work = Arc::clone(self) as Work;
        if self
            .threads
            .pool()
            .submit(work, holding, origin, Urgency::Soon)
            .is_err()
        {
            // No runtime runs here, so this thread may block.
            self.respond(|_, _| false);
        }
    }

    /// The connection that it came over, as far as its caller says.
    fn origin(&self) -> Origin {
        match &self.lock().stage {
            Stage::Asked { parts, .. } => {
                conn(&parts.extensions).map_or_else(Origin::default, ConnInfo::origin)
            }
            _ => Origin::default(),
        }
    }

    /// Takes the call back out of the queue; `false` if a thread has it.
    fn give_up(self: &Arc<Self>) -> bool {
        let mut progress = self.lock();
        if !matches!(progress.stage, Stage::Asked { .. }) {
            return false;
        }
        let asked = mem::replace(&mut progress.stage, Stage::Over);
        drop(progress);
        let work: Work = Arc::clone(self) as Work;
        self.threads.pool().remove(&work);
        discard(asked);
        true
    }

    /// Calls the application. Returns the body that can be gone on with on this thread, if the
    /// response has one and `hold` allows it.
    fn respond(
        self: &Arc<Self>,
        hold: impl FnOnce(Holding, &Origin) -> bool,
    ) -> Option<Arc<Handoff>> {
        let mut progress = self.lock();
        let asked = mem::replace(&mut progress.stage, Stage::Running);
        let Stage::Asked { parts, mut input } = asked else {
            progress.stage = Stage::Over;
            return None;
        };
        drop(progress);
        let waits = !input.has_arrived();
        let token = waits.then(|| input.waiting_with(self.threads.reading_patience()));
        let mut bodiless = parts.method == Method::HEAD;
        let cancelled = Arc::clone(&self.cancelled);
        let answered = guard(|| {
            let mut environ = Environ::new(parts, input);
            environ.set_cancelled_flag(cancelled);
            let response = self.threads.application.respond(&mut environ);
            let writes = matches!(&response, Ok(it) if matches!(it.body().kind, Kind::Writing(_)));
            let watched = writes && environ.get().is_some_and(Arrival::is_watched);
            let origin = match writes || waits {
                true => environ
                    .conn()
                    .map_or_else(Origin::default, ConnInfo::origin),
                false => Origin::default(),
            };
            // Here and not later: what it holds is the application's, and may block or panic.
            drop(environ);
            response.map(|response| (response, watched, origin))
        });
        if self.cancelled.load(Ordering::Relaxed) {
            // The caller has gone; a user's iterator is dropped here, where that may block.
            discard(answered);
            return None;
        }
        let mut going_on = None;
        let outcome = match answered {
            Ok(Ok((mut response, watched, origin))) => {
                bodiless |= matches!(
                    response.status(),
                    StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
                );
                let reads_client = token.is_some_and(|token| Arc::strong_count(&token) > 1);
                let terms = Terms {
                    threads: Some(self.threads.lender.clone()),
                    high_water: self.threads.settings.output_buffer,
                    patience: self.threads.writing_patience().watched(watched),
                    origin,
                    reads_client,
                    cancelled: Some(Arc::clone(&self.cancelled)),
                };
                if let Some(handed) = hand_over(response.body_mut(), terms)
                    && !bodiless
                    && let (holding, origin) = handed.holding()
                    && hold(holding, origin)
                {
                    let head = Arc::clone(self) as Arc<dyn Opens>;
                    going_on = Some(handed.begin(head));
                }
                Outcome::Response(response)
            }
            Ok(Err(error)) => Outcome::Failed(error),
            Err(caught) => Outcome::Panicked(caught),
        };
        let mut progress = self.lock();
        if let Stage::Over = progress.stage {
            drop(progress);
            discard(outcome);
            return going_on;
        }
        progress.stage = Stage::Opening(outcome);
        drop(progress);
        if going_on.is_none() {
            self.open();
        }
        going_on
    }

    /// Lets the caller have the outcome that was held back, or what it came to instead.
    fn settle(&self, instead: Option<Outcome>) {
        let mut progress = self.lock();
        let mut left = None;
        match mem::replace(&mut progress.stage, Stage::Over) {
            Stage::Opening(outcome) => {
                let settled = match instead {
                    Some(instead) => {
                        left = Some(outcome);
                        instead
                    }
                    None => outcome,
                };
                progress.stage = Stage::Done(settled);
            }
            stage => {
                left = instead;
                progress.stage = stage;
            }
        }
        let caller = progress.caller.take();
        drop(progress);
        // The application's values, which have no further use.
        discard(left);
        if let Some(caller) = caller {
            caller.wake();
        }
    }
}

/// What runs the application's code is run by our threads, not where the body is polled.
fn hand_over(body: &mut Body, terms: Terms) -> Option<&Handed> {
    let source = match mem::take(&mut body.kind) {
        Kind::Chunks { chunks, .. } => Source::Chunks(chunks),
        Kind::Writing(writing) => Source::Writing(writing),
        other => {
            body.kind = other;
            return None;
        }
    };
    body.kind = Kind::handed(source, terms);
    match &body.kind {
        Kind::Handed { handed, .. } => Some(handed),
        _ => None,
    }
}

impl<A: Application> Opens for Call<A> {
    fn open(&self) {
        self.settle(None);
    }

    fn fail(&self, failed: Failed) {
        self.settle(Some(match failed {
            Failed::Error(error) => Outcome::Failed(Error::from_boxed(error)),
            Failed::Panic(caught) => Outcome::Panicked(caught),
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
