use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::alarm::alarm;
use super::outcome::Outcome;
use super::signals::Signal;
use super::supervisor::{Notice, tell_supervisor};

/// How long a shutdown takes at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How long idle connections stay open for requests that are on their way.
    pub(crate) grace: Duration,
    /// From the beginning to the cut.
    pub(crate) deadline: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(1),
            // A container has ten seconds from its SIGTERM to its SIGKILL.
            deadline: Duration::from_secs(8),
        }
    }
}

/// How far a shutdown has come. The order is the order in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The server accepts and serves connections.
    Serving,
    /// Answer requests, and say in each response that the connection closes.
    Draining,
    /// Close idle connections and finish running requests.
    Closing,
    /// Drop all connections.
    Cut,
}

/// The state of a shutdown, shared by the accept loop and all connections.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: AtomicU8,
    // Notified at every change of phase.
    advanced: Arc<Notify>,
    // Connections that the shutdown waits for.
    open: AtomicUsize,
    // Connections dropped by the cut.
    cut: AtomicUsize,
    // Notified when `open` falls to zero.
    emptied: Notify,
}

impl Shutdown {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                phase: AtomicU8::new(Phase::Serving as u8),
                advanced: Arc::new(Notify::new()),
                open: AtomicUsize::new(0),
                cut: AtomicUsize::new(0),
                emptied: Notify::new(),
            }),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.inner.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            2 => Phase::Closing,
            _ => Phase::Cut,
        }
    }

    /// Moves forward to `phase`, never back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.inner.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.inner.advanced.notify_waiters();
    }

    /// A view for one task, which is woken at every change of phase.
    pub(crate) fn watch(&self) -> Watch {
        Watch {
            seen: Phase::Serving,
            notified: Box::pin(Arc::clone(&self.inner.advanced).notified_owned()),
            registered: None,
            shutdown: self.clone(),
        }
    }

    /// Counts a connection that a shutdown waits for, until the guard is dropped.
    pub(crate) fn track(&self) -> Tracked {
        self.inner.open.fetch_add(1, Ordering::AcqRel);
        Tracked {
            shutdown: self.clone(),
        }
    }

    /// The number of connections that a shutdown would wait for.
    pub(crate) fn open(&self) -> usize {
        self.inner.open.load(Ordering::Acquire)
    }

    /// Ready when no connection is left.
    async fn emptied(&self) {
        loop {
            let mut emptied = pin!(self.inner.emptied.notified());
            // Register before reading the count, so that a change in between is not missed.
            emptied.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Waits for up to `patience`, and returns whether no connection is left.
    async fn emptied_within(&self, patience: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.emptied() => true,
            () = alarm(patience) => false,
        }
    }

    /// Runs a shutdown from its beginning to its end, after the accept loop has stopped.
    pub(crate) async fn run(&self, plan: Plan, hurry: impl Future<Output = Signal>) -> Outcome {
        tell_supervisor(Notice::Stopping);
        let waiting = self.open();
        let began = Instant::now();
        let steps = async {
            self.advance(Phase::Draining);
            let grace = plan.grace.min(plan.deadline);
            if self.emptied_within(grace).await {
                return;
            }
            self.advance(Phase::Closing);
            self.emptied_within(plan.deadline.saturating_sub(began.elapsed()))
                .await;
        };
        let hurried = tokio::select! {
            biased;
            () = steps => None,
            signal = hurry => Some(signal),
        };
        let cut = self.open();
        self.advance(Phase::Cut);
        if cut > 0 {
            // Dropping takes no time, but it happens in the connections' own tasks.
            self.emptied_within(Duration::from_secs(1)).await;
        }
        let is_clean = cut == 0 && hurried.is_none();
        let time_left = plan.deadline.saturating_sub(began.elapsed());
        Outcome {
            finished: waiting.saturating_sub(cut),
            cut,
            hurried,
            time_left: if is_clean { time_left } else { Duration::ZERO },
        }
    }
}

/// One task's view of a [`Shutdown`].
#[derive(Debug)]
pub(crate) struct Watch {
    shutdown: Shutdown,
    seen: Phase,
    notified: Pin<Box<OwnedNotified>>,
    // The task that `notified` will wake.
    registered: Option<Waker>,
}

impl Watch {
    /// The phase that was seen last.
    #[cfg(feature = "http")]
    pub(crate) fn phase(&self) -> Phase {
        self.seen
    }

    /// Ready at each change of phase with the new one.
    pub(crate) fn poll_advanced(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        loop {
            let phase = self.shutdown.phase();
            if phase > self.seen {
                self.seen = phase;
                self.registered = None;
                let advanced = Arc::clone(&self.shutdown.inner.advanced);
                self.notified.set(advanced.notified_owned());
                return Poll::Ready(phase);
            }
            // Registering takes a lock that all connections share, so it is done once, and not
            // at every request.
            let waker = self.registered.as_ref();
            if waker.is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            // Look again at the phase after registering: it may have changed in between.
            if self.notified.as_mut().poll(cx).is_pending() {
                self.registered = Some(cx.waker().clone());
                // Not left to the test above: a waker need not know its own clone (`will_wake` is
                // best effort, and a vtable may exist twice in one program).
                if self.shutdown.phase() == phase {
                    return Poll::Pending;
                }
            } else {
                let advanced = Arc::clone(&self.shutdown.inner.advanced);
                self.notified.set(advanced.notified_owned());
            }
        }
    }

    /// Waits until the phase is `phase` or later.
    #[cfg(any(feature = "http", feature = "_wire"))]
    pub(crate) async fn reached(&mut self, phase: Phase) {
        while self.seen < phase {
            std::future::poll_fn(|cx| self.poll_advanced(cx)).await;
        }
    }
}

/// A connection that a shutdown waits for.
#[derive(Debug)]
pub(crate) struct Tracked {
    shutdown: Shutdown,
}

impl Tracked {
    /// The shutdown that waits.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if self.shutdown.phase() == Phase::Cut {
            self.shutdown.inner.cut.fetch_add(1, Ordering::Relaxed);
        }
        if self.shutdown.inner.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shutdown.inner.emptied.notify_waiters();
        }
    }
}
