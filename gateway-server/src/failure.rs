//! What a gateway does about a service that panics: an error that says where.

use std::error::Error;
use std::fmt;

/// Runs code of the service. A panic there must not end the connection's task, and the process
/// neither. After one, do not go on with what was run.
#[inline]
pub(crate) fn guard<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    panic_capture::guard(run).map_err(Panicked::new)
}

/// Drops what is the service's. A destructor that panics is logged.
#[cfg(feature = "listen")]
pub(crate) fn discard<T>(value: T) {
    if let Err(panicked) = guard(|| drop(value)) {
        panicked.log();
    }
}

/// A panic of the service: what it said, and where and on which thread it happened, if
/// `panic_capture`'s hook is installed. Otherwise the hook in its place has told.
#[derive(Debug)]
pub(crate) struct Panicked(Box<Panic>);

#[derive(Debug)]
struct Panic {
    message: String,
    place: Option<String>,
    thread: Option<String>,
}

impl Panicked {
    #[cold]
    fn new(caught: panic_capture::Caught) -> Self {
        let message = caught.message().unwrap_or("(not text)").to_owned();
        let capture = caught.capture.as_ref().ok();
        let panic = Panic {
            message,
            place: capture.and_then(|capture| capture.place()).map(|place| {
                let (file, line, column) = (&place.file, place.line, place.column);
                format!("{file}:{line}:{column}")
            }),
            thread: capture
                .and_then(|capture| capture.thread())
                .map(str::to_owned),
        };
        panic_capture::discard(caught);
        Self(Box::new(panic))
    }

    /// To `tracing`. Also to standard error, if the program has no subscriber and has silenced the
    /// hook that would have told.
    #[cfg(feature = "listen")]
    pub(crate) fn log(&self) {
        let Panic {
            message,
            place,
            thread,
        } = &*self.0;
        tracing::error!(panic = message, place, thread, "service panicked");
        if panic_capture::is_silenced() {
            crate::log::operator::told(self);
        }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service panicked")?;
        if let Some(place) = &self.0.place {
            write!(f, " at {place}")?;
        }
        if let Some(thread) = &self.0.thread {
            write!(f, " on thread `{thread}`")?;
        }
        write!(f, ": {}", self.0.message)
    }
}

impl Error for Panicked {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_its_thread() {
        panic_capture::install();
        let thread = std::thread::Builder::new().name("worker".into());
        let panicked = thread.spawn(|| guard(|| panic!("no {}", "more")));
        let text = panicked
            .unwrap()
            .join()
            .unwrap()
            .map_err(|panicked: Panicked| panicked.to_string());
        let text = text.map(|(): ()| ()).unwrap_err();
        assert!(
            text.starts_with("the service panicked at ") && text.contains("failure.rs:"),
            "{text}"
        );
        assert!(text.ends_with(" on thread `worker`: no more"), "{text}");
    }
}
