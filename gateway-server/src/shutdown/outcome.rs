use std::fmt;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use super::signals::Signal;

/// The outcome of a shutdown.
///
/// Returned from `main`, it becomes the exit code: 0 where every connection was finished, 1 where
/// the deadline cut some, 130 or 143 where a second signal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(super) finished: usize,
    pub(super) cut: usize,
    pub(super) hurried: Option<Signal>,
    pub(super) time_left: Duration,
}

impl Outcome {
    /// How many of the connections that were open when the shutdown began were finished.
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

    /// What was left of the deadline when the server had stopped: how long the program may still wait
    /// for calls that run on blocking threads although their clients are gone. Nothing where some were cut.
    ///
    /// ```no_run
    /// # use gateway_core::{Environ, Reply};
    /// # use gateway_server::{Outcome, http::Server};
    /// # fn hello(_: &mut Environ) -> Reply { Reply::text("Hello World!") }
    /// fn main() -> std::io::Result<Outcome> {
    ///     let runtime = tokio::runtime::Runtime::new()?;
    ///     let server = Server::bind("127.0.0.1:8080")?;
    ///     let outcome = runtime.block_on(server.serve_app(hello))?;
    ///     // Dropped, it would wait for a call that never ends.
    ///     runtime.shutdown_timeout(outcome.time_left());
    ///     Ok(outcome)
    /// }
    /// ```
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.time_left
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
