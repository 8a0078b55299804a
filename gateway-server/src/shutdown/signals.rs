use std::fmt;
use std::io;
#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(unix)]
use std::thread;

#[cfg(unix)]
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag::register_conditional_default,
    iterator::Handle,
};
#[cfg(unix)]
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

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
/// A thread of their own hears them: the runtime would not, while all of its workers are blocked.
///
/// From then on they no longer end the process by themselves, and nothing gives them back. So when the last of these is dropped, each signal has its default action again: a program that hangs
/// on its way out (a runtime waits for blocking threads) can still be stopped.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    heard: UnboundedReceiver<Signal>,
    #[cfg(unix)]
    handle: Handle,
}

/// How many hear signals at present.
#[cfg(unix)]
static HEARING: AtomicUsize = AtomicUsize::new(0);

/// Whether none does any more.
#[cfg(unix)]
static UNHEARD: std::sync::OnceLock<Arc<AtomicBool>> = std::sync::OnceLock::new();

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let (tell, heard) = unbounded_channel();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    let signal = match signal {
                        SIGINT => Signal::Interrupt,
                        _ => Signal::Terminate,
                    };
                    let _ = tell.send(signal);
                }
            })?;
        let signals = Self { heard, handle };
        HEARING.fetch_add(1, Ordering::AcqRel);
        let unheard = UNHEARD.get_or_init(|| {
            let unheard = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM] {
                // What cannot be registered stays as it was: swallowed.
                let _ = register_conditional_default(signal, Arc::clone(&unheard));
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
        match self.heard.recv().await {
            Some(signal) => signal,
            // Its thread lives as long as this.
            None => std::future::pending().await,
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
        self.handle.close();
        if HEARING.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(unheard) = UNHEARD.get()
        {
            unheard.store(true, Ordering::Release);
        }
    }
}
