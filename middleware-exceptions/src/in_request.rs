//! Work that goes on beside a request, and is still of it when it fails.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    thread,
};

use panic_capture::{Caught, discard, guard, is_answering};
use pin_project_lite::pin_project;
use tracing::{
    Dispatch,
    dispatcher::{get_default, with_default},
};

use crate::{
    failure::{cause::Cause, facts::Stage, id::ErrorId},
    pending::pending_report::report_detached,
    record::{RequestLine, RequestRecord, SharedRecord},
};

/// Makes detached work a part of the request: if the future panics, that is reported once, with an id and the request that was
/// handled where this was called, as the layer reports a failure of the handler itself.
///
/// ```
/// use axum::{Router, routing::post};
/// use middleware_exceptions::{ExceptionsLayer, in_request};
///
/// async fn order() -> &'static str {
///     tokio::spawn(in_request(async {
///         // Send a letter, for which the client does not wait.
///     }));
///     "Thank you."
/// }
///
/// let app: Router = Router::new().route("/orders", post(order)).layer(ExceptionsLayer::new());
/// ```
///
/// Then the panic goes on: a task that awaits this one sees it, and if it fails of that, its report names the id of the
/// first ([`TaskPanic::first_id`](crate::TaskPanic::first_id), [`Report::first_id`](crate::Report::first_id)).
///
/// It is to be called where the request is handled: in the future of the service below the layer, where axum calls its handlers,
/// or in other detached work of the request. Elsewhere (in `Service::call` itself, in a response body, on a thread of a blocking
/// application) the report has an id and no request.
pub fn in_request<F: Future>(future: F) -> InRequest<F> {
    InRequest {
        inner: Some(future),
        origin: Origin::here(),
    }
}

/// As [`in_request`], for a closure that runs on another thread.
///
/// ```
/// use middleware_exceptions::in_request_fn;
///
/// let pages = std::thread::spawn(in_request_fn(|| 2 + 2));
/// assert_eq!(pages.join().unwrap(), 4);
/// ```
pub fn in_request_fn<R, F: FnOnce() -> R>(run: F) -> impl FnOnce() -> R + use<R, F> {
    let origin = Origin::here();
    move || match origin.run(run) {
        Ok(done) => done,
        Err(caught) => origin.report(caught).resume(),
    }
}

pin_project! {
    /// The future of [`in_request`].
    #[must_use = "futures do nothing unless polled"]
    pub struct InRequest<F> {
        #[pin]
        inner: Option<F>,
        origin: Arc<Origin>,
    }

    impl<F> PinnedDrop for InRequest<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.inner.is_some()
                && let Err(caught) = this.origin.run(|| this.inner.set(None))
            {
                let caught = this.origin.report(caught);
                if thread::panicking() {
                    // A second panic would end the process.
                    discard(caught.payload);
                } else {
                    caught.resume();
                }
            }
        }
    }
}

impl<F: Future> Future for InRequest<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        match this.origin.run(|| inner.poll(cx)) {
            Ok(polled) => polled,
            Err(caught) => this.origin.report(caught).resume(),
        }
    }
}

impl<F> fmt::Debug for InRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InRequest").finish_non_exhaustive()
    }
}

/// Of which request detached work is.
///
/// On the happy path a request leaves nothing where its handler would find it: that costs instructions of every request.
/// So the question is noted, and the layer answers it when it has control again; until then failures wait here.
struct Origin {
    state: Mutex<State>,
    /// What is logged elsewhere is logged by the subscriber of here.
    dispatch: Dispatch,
}

enum State {
    Asked(Vec<Failed>),
    Known(RequestRecord),
}

type Failed = Box<dyn FnOnce(&RequestRecord) + Send>;

thread_local! {
    /// Read after each poll of a handler. Without a destructor, so that an access is one instruction.
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
    /// What is to be answered when the innermost layer has control again.
    static ASKED: Cell<Option<Arc<Origin>>> = const { Cell::new(None) };
    /// Of the detached work that this thread is doing.
    static CURRENT: Cell<Option<Arc<Origin>>> = const { Cell::new(None) };
}

/// By the layer, when it has control again: before it lets go of its guard.
#[inline(always)]
pub(crate) fn answer_if_asked(line: &RequestLine, shared: &Arc<SharedRecord>) {
    if IS_ASKED.get() {
        answer(line, shared);
    }
}

/// A C function, because these do not unwind: nothing has to be kept for that where a drop could find it.
#[cold]
#[inline(never)]
extern "C" fn answer(line: &RequestLine, shared: &Arc<SharedRecord>) {
    IS_ASKED.set(false);
    let record = RequestRecord {
        line: *line,
        shared: Arc::clone(shared),
    };
    // Failures may wait, and to report them runs the program's code.
    let answered = guard(|| {
        if let Some(origin) = ASKED.try_with(Cell::take).ok().flatten() {
            origin.answer(&record);
        }
    });
    if let Err(caught) = answered {
        discard(caught.payload);
    }
}

/// What a report of work has that is of no request.
fn no_request() -> RequestRecord {
    RequestRecord::without_request(&Arc::new(SharedRecord::of_service(Arc::default())))
}

/// A copy of what the cell holds.
fn peek(cell: &Cell<Option<Arc<Origin>>>) -> Option<Arc<Origin>> {
    let origin = cell.take();
    let copy = origin.clone();
    cell.set(origin);
    copy
}

impl Origin {
    fn new(state: State) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            dispatch: get_default(Clone::clone),
        })
    }

    fn here() -> Arc<Self> {
        let asked = || Self::new(State::Asked(Vec::new()));
        if is_answering() {
            let origin = ASKED.try_with(peek).ok().flatten();
            let origin = origin.unwrap_or_else(asked);
            if ASKED
                .try_with(|cell| cell.set(Some(Arc::clone(&origin))))
                .is_ok()
            {
                IS_ASKED.set(true);
                return origin;
            }
        }
        let current = CURRENT.try_with(peek).ok().flatten();
        current.unwrap_or_else(|| Self::new(State::Known(no_request())))
    }

    /// Below a guard, so that a panic has its frames, and further detached work the request.
    fn run<R>(self: &Arc<Self>, run: impl FnOnce() -> R) -> Result<R, Caught> {
        let outer = CURRENT.try_with(|cell| cell.replace(Some(Arc::clone(self))));
        let done = guard(run);
        if let Ok(outer) = outer {
            _ = CURRENT.try_with(|cell| cell.set(outer));
        }
        done
    }

    /// Leaves the id of the report with the panic.
    fn report(&self, mut caught: Caught) -> Caught {
        let already = caught
            .capture
            .as_ref()
            .ok()
            .and_then(|capture| capture.mark());
        if already.is_none() {
            let id = ErrorId::new();
            let cause = Cause::of_resumed(&mut caught);
            caught.set_mark(id.mark());
            self.when_known(Box::new(move |record| {
                report_detached(id, cause, Stage::Detached, record);
            }));
        }
        caught
    }

    fn when_known(&self, failed: Failed) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let record = match &mut *state {
            State::Asked(waiting) => return waiting.push(failed),
            State::Known(record) => record.clone(),
        };
        drop(state);
        with_default(&self.dispatch, || failed(&record));
    }

    fn answer(&self, record: &RequestRecord) {
        let known = State::Known(record.clone());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *state, known);
        drop(state);
        if let State::Asked(waiting) = before {
            for failed in waiting {
                with_default(&self.dispatch, || failed(record));
            }
        }
    }
}
