use std::fmt;
use std::process::{ExitCode, Termination};

use super::signals::Signal;

/// What came of a shutdown.
///
/// Returned from `main`, it becomes the exit code: 0 where every connection was finished, 1 where
/// the deadline cut some, 130 or 143 where a second signal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(super) finished: usize,
    pub(super) cut: usize,
    pub(super) hurried: Option<Signal>,
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
