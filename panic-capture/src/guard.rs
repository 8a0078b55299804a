//! Catching: the part on everybody's happy path.

use std::{
    any::Any,
    fmt,
    marker::PhantomData,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use crate::{Capture, Missing, identity::Identity, kept, local::LOCAL};

/// A panic that [`guard`] has caught.
#[must_use = "a caught panic is reported or resumed"]
pub struct Caught {
    /// What `catch_unwind` gave. Its `Drop` may panic, too: see [`discard`](crate::discard).
    pub payload: Box<dyn Any + Send>,
    /// Where it happened, or why that is not known.
    pub capture: Result<Capture, Missing>,
}

impl Caught {
    /// What the panic said, if its payload is text, as that of `panic!` is.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let string = || self.payload.downcast_ref().map(String::as_str);
        self.payload.downcast_ref().copied().or_else(string)
    }
}

/// The place, if it is known, and the message.
impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicked")?;
        if let Some(place) = self.capture.as_ref().ok().and_then(Capture::place) {
            write!(f, " at {}:{}:{}", place.file, place.line, place.column)?;
        }
        write!(f, ": {}", self.message().unwrap_or("(not text)"))
    }
}

impl std::error::Error for Caught {}

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
    let here = Here::new();
    let guard = Guard::enter(&here);
    match guard.catch(run) {
        Ok(done) => Ok(done),
        Err(payload) => Err(guard.caught(payload)),
    }
}

/// The frame of the function that enters a [`Guard`].
#[derive(Debug)]
#[repr(align(2))]
pub struct Here([MaybeUninit<u8>; 2]);

impl Here {
    /// For one `Guard`, on the stack.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a place, not a value")]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); 2])
    }
}

impl Here {
    /// Even: the next one is in here as well, and says that the guard answers.
    #[inline(always)]
    fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }
}

/// [`guard`] in its parts, for where instructions are counted: what was caught is matched where `catch_unwind`
/// left it, and several catches share one guard.
///
/// ```
/// # panic_capture::install();
/// use panic_capture::{Guard, Here};
///
/// let here = Here::new();
/// let guard = Guard::enter(&here);
/// let caught = match guard.catch(|| panic!("boom")) {
///     Ok(()) => None,
///     Err(payload) => Some(guard.caught(payload)),
/// };
/// # #[cfg(feature = "hook")]
/// assert!(caught.unwrap().capture.is_ok());
/// ```
#[derive(Debug)]
#[must_use = "dropped, it guards no longer"]
pub struct Guard<'a> {
    outer: usize,
    captures: usize,
    /// It is of this thread.
    here: PhantomData<(&'a Here, *const ())>,
}

impl<'a> Guard<'a> {
    /// From here until it is dropped, panics of this thread are captured, to be claimed with it.
    #[inline(always)]
    pub fn enter(here: &'a Here) -> Self {
        Self::enter_at(here.address())
    }

    /// As [`enter`](Self::enter), by one who answers what is asked by way of [`is_answering`] when the guard is left.
    #[inline(always)]
    pub fn enter_answering(here: &'a Here) -> Self {
        Self::enter_at(here.address() | 1)
    }

    /// From here on it is as one that was [entered](Self::enter) by another.
    #[inline(always)]
    pub fn answers_no_more(&self) {
        LOCAL.with(|local| local.guard.set(local.guard.get() & !1));
    }

    #[inline(always)]
    fn enter_at(address: usize) -> Self {
        LOCAL.with(|local| Self {
            outer: local.guard.replace(address),
            captures: local.captures.get(),
            here: PhantomData,
        })
    }

    /// [`catch_unwind`], with the rules of [`guard`] for the caller's data.
    ///
    /// # Errors
    ///
    /// The payload of the panic: it belongs to [`caught`](Self::caught) or [`discard`](crate::discard).
    #[inline(always)]
    pub fn catch<R>(&self, run: impl FnOnce() -> R) -> thread::Result<R> {
        catch_unwind(AssertUnwindSafe(run))
    }

    /// What is known of a panic that was caught by [`catch`](Self::catch).
    #[cold]
    #[inline(never)]
    pub fn caught(&self, payload: Box<dyn Any + Send>) -> Caught {
        let capture = kept::claim(&Identity::of(&*payload), self.captures);
        Caught { payload, capture }
    }
}

impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        LOCAL.with(|local| local.guard.set(self.outer));
    }
}

/// Whether this thread is below a [`guard`] now.
#[must_use]
pub fn is_guarded() -> bool {
    LOCAL.with(|local| local.guard.get() != 0)
}

/// Whether the innermost guard of this thread was [entered](Guard::enter_answering) by one who looks, when it is left, whether
/// something was asked below it: of which request this is.
#[must_use]
pub fn is_answering() -> bool {
    LOCAL.with(|local| local.guard.get() & 1 == 1)
}

impl Caught {
    /// Leaves a number, such as that of a report, for those who catch this panic next, after [`resume`](Self::resume).
    pub fn set_mark(&mut self, mark: u64) {
        if let Err(missing) = self.capture {
            self.capture = Ok(Capture::empty(Identity::of(&*self.payload), missing));
        }
        if let Ok(capture) = &mut self.capture {
            capture.seen_mut().mark = Some(mark);
        }
    }

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
