use std::fmt;
use std::io;
#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
