//! Graceful shutdown, for every protocol: who is told, in which order, and what came of it.
//!
//! ```text
//! Serving ──signal──▶ Draining ──grace──▶ Closing ──deadline──▶ Cut
//!                     nothing new is      idle connections      what is left
//!                     accepted; answers   close; running        is dropped
//!                     say `close`         requests go on
//! ```
//! It is over as soon as no connection is left, whichever phase that happens in.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitCode, Termination};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time;

/// How far a shutdown has come. The order is the order in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Business as usual.
    Serving,
    /// Answer what comes in, and say that the connection closes.
    Draining,
    /// Close what is idle, finish what is running.
    Closing,
    /// Drop everything.
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
    // Told at every change of phase.
    advanced: Arc<Notify>,
    // Connections that are waited for.
    open: AtomicUsize,
    // Connections dropped by the cut.
    cut: AtomicUsize,
    // Told when `open` falls to zero.
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

    /// Moves on to `phase`; never back.
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
            // Listen first, then look: what falls to zero in between is not missed.
            emptied.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Runs a shutdown from its beginning to its end, after the accept loop has stopped.
    pub(crate) async fn run(&self, plan: Plan, hurry: impl Future<Output = Signal>) -> Outcome {
        tell_supervisor(sd_notify::NotifyState::Stopping);
        let waiting = self.open();
        let steps = async {
            self.advance(Phase::Draining);
            let started = time::Instant::now();
            if time::timeout(plan.grace, self.emptied()).await.is_ok() {
                return;
            }
            self.advance(Phase::Closing);
            let deadline = started + plan.deadline;
            let _ = time::timeout_at(deadline, self.emptied()).await;
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
            let _ = time::timeout(Duration::from_secs(1), self.emptied()).await;
        }
        Outcome {
            finished: waiting.saturating_sub(cut),
            cut,
            hurried,
        }
    }
}

/// Tells systemd (`Type=notify`) how far we are; nobody where `NOTIFY_SOCKET` is not set.
pub(crate) fn tell_supervisor(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the supervisor could not be told");
    }
}

/// One task's view of a [`Shutdown`].
#[derive(Debug)]
pub(crate) struct Watch {
    shutdown: Shutdown,
    seen: Phase,
    notified: Pin<Box<OwnedNotified>>,
    // Whom `notified` will wake.
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
    #[cfg(feature = "http")]
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
            deadline: Duration::from_secs(30),
        }
    }
}

/// A signal that ends a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT, or Ctrl-C on a console.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// 128 and the signal's number, as a shell reports it: 130 or 143.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// SIGTERM and SIGINT from the moment this is made, one at a time.
///
/// From then on they no longer end the process by themselves, and tokio never gives them back. So
/// when the last of these is dropped, each signal ends the process at once with its exit code: a
/// program that hangs on its way out (a runtime waits for blocking threads) can still be stopped.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

/// How many hear signals at present.
#[cfg(unix)]
static HEARING: AtomicUsize = AtomicUsize::new(0);

/// Whether nobody does any more.
#[cfg(unix)]
static UNHEARD: std::sync::OnceLock<Arc<AtomicBool>> = std::sync::OnceLock::new();

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        HEARING.fetch_add(1, Ordering::AcqRel);
        let unheard = UNHEARD.get_or_init(|| {
            let unheard = Arc::new(AtomicBool::new(false));
            for (kind, signal) in [
                (SignalKind::interrupt(), Signal::Interrupt),
                (SignalKind::terminate(), Signal::Terminate),
            ] {
                // What cannot be registered stays as it was: swallowed.
                let _ = signal_hook::flag::register_conditional_shutdown(
                    kind.as_raw_value(),
                    signal.exit_code().into(),
                    Arc::clone(&unheard),
                );
            }
            unheard
        });
        unheard.store(false, Ordering::Release);
        Ok(signals)
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            // There is no console to send one.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
impl Drop for Signals {
    fn drop(&mut self) {
        if HEARING.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(unheard) = UNHEARD.get()
        {
            unheard.store(true, Ordering::Release);
        }
    }
}

/// What came of a shutdown.
///
/// Returned from `main`, it becomes the exit code: 0 where every connection was finished, 1 where
/// the deadline cut some, 130 or 143 where a second signal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    finished: usize,
    cut: usize,
    hurried: Option<Signal>,
}

impl Outcome {
    /// How many of the connections that were open when the shutdown began came to their end.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.finished
    }

    /// How many were dropped with a request unanswered or half answered.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.cut
    }

    /// The second signal, if one ended the shutdown early.
    #[must_use]
    pub fn hurried(&self) -> Option<Signal> {
        self.hurried
    }

    /// Whether nothing was cut.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cut == 0 && self.hurried.is_none()
    }

    /// The exit code: 0, 1, 130 or 143; see [above](Self).
    #[must_use]
    pub fn code(&self) -> u8 {
        match self.hurried {
            Some(signal) => signal.exit_code(),
            None if self.cut > 0 => 1,
            None => 0,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections finished, {} cut",
            self.finished, self.cut
        )?;
        match self.hurried {
            Some(signal) => write!(f, " by a second signal ({signal})"),
            None if self.cut > 0 => f.write_str(" at the deadline"),
            None => Ok(()),
        }
    }
}

impl Termination for Outcome {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
