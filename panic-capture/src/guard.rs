//! Catching: the part on everybody's happy path.

use std::{
    any::Any,
    cell::Cell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crate::{Capture, Missing, identity::Identity, kept};

/// Of this thread. `const` and without a destructor, so that an access is one instruction.
pub(crate) struct Local {
    /// A stack address inside the innermost guard; 0 outside of all of them.
    pub(crate) guard: Cell<usize>,
    /// How many guards there have been: what a hook saw is of the guards since.
    pub(crate) count: Cell<usize>,
}

thread_local! {
    pub(crate) static LOCAL: Local =
        const { Local { guard: Cell::new(0), count: Cell::new(0) } };
}

/// A panic that [`guard`] has caught.
#[must_use = "a caught panic is reported or resumed"]
pub struct Caught {
    /// What `catch_unwind` gave. Its `Drop` may panic, too: see [`discard`].
    pub payload: Box<dyn Any + Send>,
    /// Where it happened, or why that is not known.
    pub capture: Result<Capture, Missing>,
}

/// Runs it, and catches its panic together with the place and the frames of it.
///
/// For the caller's data the rules of [`AssertUnwindSafe`] hold: after an `Err` do not
/// go on with what the closure may have left half done.
///
/// # Errors
///
/// The panic.
#[inline]
pub fn guard<R>(run: impl FnOnce() -> R) -> Result<R, Caught> {
    guard_or(|| Ok(run()), Err)
}

/// As [`guard`], for where instructions are counted: what comes out is moved no more often than
/// `catch_unwind` itself moves it, and not through one more `Result`.
#[inline(always)]
pub fn guard_or<R>(run: impl FnOnce() -> R, otherwise: impl FnOnce(Caught) -> R) -> R {
    let here = Cell::new(0_u8);
    let (outer, count) = LOCAL.with(|local| {
        let count = local.count.get().wrapping_add(1);
        local.count.set(count);
        (local.guard.replace(here.as_ptr() as usize), count)
    });
    let outcome = catch_unwind(AssertUnwindSafe(run));
    LOCAL.with(|local| local.guard.set(outer));
    match outcome {
        Ok(done) => done,
        Err(payload) => otherwise(caught(payload, count)),
    }
}

#[cold]
#[inline(never)]
fn caught(payload: Box<dyn Any + Send>, count: usize) -> Caught {
    let capture = kept::claim(&Identity::of(&*payload), count);
    Caught { payload, capture }
}

/// Whether this thread is below a [`guard`] now.
#[must_use]
pub fn is_guarded() -> bool {
    LOCAL.with(|local| local.guard.get() != 0)
}

/// Drops a payload, or anything else, whose `Drop` may panic.
pub fn discard<T>(value: T) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Who knows what the drop of this one does: leak it.
        std::mem::forget(second);
    }
}

impl Caught {
    /// Lets the panic go on from here, so that a guard further out on this thread claims the
    /// frames of where it first happened.
    ///
    /// The hook does not run again.
    pub fn resume(self) -> ! {
        if let Ok(capture) = self.capture {
            kept::adopt(capture, is_guarded());
        }
        resume_unwind(self.payload)
    }
}

impl fmt::Debug for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caught")
            .field("capture", &self.capture)
            .finish_non_exhaustive()
    }
}
