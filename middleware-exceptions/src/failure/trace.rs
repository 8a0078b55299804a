//! An error or a panic as it came, with what its frames can be had from.

use std::{error::Error, fmt::Debug, sync::Arc};

use gateway_core::BoxError;
use gateway_core::error::{Failure, Foreign};
use panic_capture::{Missing, discard, guard};

use crate::text::shown::Bounded;

/// So many causes are followed: enough for any honest chain, few enough for one without end.
pub(crate) const DEPTH: usize = 32;

/// From what the frames can be had, later.
pub(crate) enum Trace {
    /// A panic whose stack the hook walked.
    Addresses {
        frames: Box<[usize]>,
        truncated: bool,
        /// Why they are not all, or not surely these.
        doubt: Option<Missing>,
    },
    /// A panic without.
    Missing(Missing),
    /// An error, which may carry a backtrace.
    Error(Contained<AnyError>),
}

/// An error as it came: boxed, `anyhow` and `eyre` lose their backtrace.
pub(crate) enum AnyError {
    Boxed(BoxError),
    /// Of a response that carries it.
    Shared(Arc<dyn Error + Send + Sync>),
    #[cfg(feature = "anyhow")]
    Anyhow(anyhow::Error),
    #[cfg(feature = "eyre")]
    Eyre(eyre::Report),
}

/// A value of the program's, whose drop may panic.
pub(crate) struct Contained<T>(pub(crate) Option<T>);

impl<T> Contained<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

impl AnyError {
    pub(crate) fn from<E: Into<BoxError> + 'static>(error: E) -> Self {
        #[cfg_attr(
            not(any(feature = "anyhow", feature = "eyre")),
            expect(unused_mut, reason = "taken from where a feature knows its type")
        )]
        let mut slot = Some(error);
        #[cfg(feature = "anyhow")]
        if let Some(error) = as_type::<anyhow::Error>(&mut slot) {
            return Self::Anyhow(error);
        }
        #[cfg(feature = "eyre")]
        if let Some(error) = as_type::<eyre::Report>(&mut slot) {
            return Self::Eyre(error);
        }
        match guard(|| slot.map(Into::into)) {
            Ok(Some(error)) => Self::Boxed(error),
            Ok(None) => Self::Boxed("the error is gone".into()),
            Err(caught) => {
                discard(caught.payload);
                Self::Boxed("an error whose conversion into a boxed error panicked".into())
            }
        }
    }

    pub(crate) fn as_dyn(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Boxed(error) => &**error,
            Self::Shared(error) => &**error,
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => {
                let error: &(dyn Error + Send + Sync + 'static) = error.as_ref();
                error
            }
            #[cfg(feature = "eyre")]
            Self::Eyre(error) => {
                let error: &(dyn Error + Send + Sync + 'static) = error.as_ref();
                error
            }
        }
    }

    /// The backtrace as std prints it, if the error has one. Slow: it may symbolicate.
    pub(crate) fn printed_backtrace(&self) -> Option<String> {
        match self {
            Self::Boxed(error) => boxed_backtrace(&**error),
            Self::Shared(error) => boxed_backtrace(&**error),
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => {
                let backtrace = error.backtrace();
                (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
                    .then(|| backtrace.to_string())
            }
            // Of eyre only the handler knows, and its `{:?}`.
            #[cfg(feature = "eyre")]
            Self::Eyre(error) => {
                let debug = debug(&error, 1024 * 1024);
                let (_, backtrace) = debug.rsplit_once(BACKTRACE)?;
                Some(backtrace.to_owned())
            }
        }
    }
}

/// Of an error of anyhow's or eyre's in a box, which prints its backtrace in `{:?}` and has no other way to it.
fn boxed_backtrace(error: &(dyn Error + 'static)) -> Option<String> {
    // What it says begins with the message. Around it, a program's type with a derived `Debug` says so soon: a `Debug` that
    // goes deeper may have no end, and is not printed whole, as that would overflow the stack.
    let message = Bounded::of(format_args!("{error}"), 64).text;
    let is_own = debug(&error, 128).starts_with(&message);
    if !is_own && !debug(&error, 2048).contains(BACKTRACE) {
        return None;
    }
    let debug = debug(&error, 1024 * 1024);
    let (_, backtrace) = debug.rsplit_once(BACKTRACE)?;
    Some(backtrace.to_owned())
}

/// What anyhow and eyre write above it.
const BACKTRACE: &str = "Stack backtrace:\n";

#[cfg(any(feature = "anyhow", feature = "eyre"))]
fn as_type<T: 'static>(slot: &mut dyn std::any::Any) -> Option<T> {
    slot.downcast_mut::<Option<T>>().and_then(Option::take)
}

/// The error and its sources, as deep as they are followed.
pub(crate) fn links<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    let links = std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    });
    links.take(DEPTH)
}

/// The first exception of another language that the error is, or that is behind it.
pub(crate) fn foreign<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Foreign> {
    links(error).find_map(|error| match error.downcast_ref::<Failure>() {
        Some(failure) => failure.cause().downcast_ref(),
        None => error.downcast_ref(),
    })
}

/// `Debug`, as much as fits. Raw.
pub(crate) fn debug(error: &dyn Debug, limit: usize) -> String {
    Bounded::of(format_args!("{error:?}"), limit).text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// With `RUST_BACKTRACE=1` the whole message of an error was made into a string, to compare 64 bytes of it.
    #[test]
    fn the_search_for_a_backtrace_ends_a_message_that_does_not() {
        #[derive(Debug)]
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for _ in 0..1000 {
                    f.write_str("more and more\n")?;
                }
                panic!("formatted on and on");
            }
        }
        impl Error for Endless {}
        assert_eq!(AnyError::from(Endless).printed_backtrace(), None);
    }
}
