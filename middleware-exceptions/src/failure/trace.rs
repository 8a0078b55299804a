//! The original error or panic, with the source of its frames.

use std::{error::Error, sync::Arc};

use gateway_core::BoxError;
use gateway_core::error::{Failure, Foreign};
use panic_capture::{Missing, discard, guard};

/// So many causes are followed: enough for any honest chain, few enough for one without end.
pub(crate) const DEPTH: usize = 32;

/// Where the frames come from when they are resolved later.
pub(crate) enum Trace {
    /// A panic whose stack the hook walked.
    Addresses {
        frames: Box<[usize]>,
        truncated: bool,
        /// Why the frames may be incomplete or wrong.
        doubt: Option<Missing>,
    },
    /// A panic without a stack.
    Missing(Missing),
    /// An error, which may carry a backtrace.
    Error,
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
}

/// What anyhow and eyre write above it.
pub(crate) const BACKTRACE: &str = "Stack backtrace:\n";

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

/// The exception of another language that the error is.
pub(crate) fn as_foreign<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Foreign> {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.cause().downcast_ref(),
        None => error.downcast_ref(),
    }
}

/// The first exception of another language that the error is, or that is behind it.
pub(crate) fn foreign<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Foreign> {
    links(error).find_map(|error| match error.downcast_ref::<Failure>() {
        Some(failure) => failure.cause().downcast_ref(),
        None => error.downcast_ref(),
    })
}

/// Whether errors may carry a backtrace: as std and anyhow decide it.
pub(crate) fn backtraces_enabled() -> bool {
    static ENABLED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let set = |name| std::env::var_os(name).map(|value| value != "0");
    *ENABLED.get_or_init(|| {
        set("RUST_LIB_BACKTRACE")
            .or_else(|| set("RUST_BACKTRACE"))
            .unwrap_or(false)
    })
}
