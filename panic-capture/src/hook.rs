//! The panic hook. It runs on the panicking thread, and a panic inside of it ends the process:
//! nothing here waits for a lock, formats a user's type, or borrows a `RefCell`.

use std::{
    any::Any,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Called in the hook, to keep what unwinding will destroy: see [`set_context`].
pub type Context = fn() -> Option<Box<dyn Any + Send>>;

static CONTEXT: OnceLock<Context> = OnceLock::new();
static SILENT: AtomicBool = AtomicBool::new(false);

/// Installs the hook, once per process, chained to the one that is there: that one runs after ours.
///
/// Call it early, but after hooks that replace what they find (color-eyre). Later calls do
/// nothing, and so does a call from a thread that is unwinding.
pub fn install() {
    #[cfg(feature = "hook")]
    taking::install();
}

/// Names the function that is called in the hook, to clone a handle that unwinding
/// would destroy (the current tracing span). The first one named stays; `false` for a later one.
///
/// It must not panic and must not wait: in a hook, both end the process.
pub fn set_context(context: Context) -> bool {
    CONTEXT.set(context).is_ok()
}

/// Whether the hook before ours is left out for panics below a guard: the guard's owner
/// reports them, and the default hook's message on stderr is the same news again.
///
/// Off by default. For the whole process.
pub fn silence_guarded(silent: bool) {
    SILENT.store(silent, Ordering::Relaxed);
}

/// Whether [`silence_guarded`] is on.
#[must_use]
pub fn is_silenced() -> bool {
    SILENT.load(Ordering::Relaxed)
}

#[cfg(feature = "hook")]
mod taking {
    use std::{
        panic::PanicHookInfo,
        sync::{Mutex, PoisonError, atomic::Ordering},
        thread,
        time::Instant,
    };

    use super::{CONTEXT, SILENT};
    use crate::{
        Capture, MAX_FRAMES, Place,
        capture::Seen,
        identity::Identity,
        kept,
        local::{LOCAL, Local},
        task,
    };

    pub(super) fn install() {
        static INSTALLED: Mutex<bool> = Mutex::new(false);
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        // `take_hook` panics on a thread that does.
        if *installed || thread::panicking() {
            return;
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let guard = LOCAL.with(|local| local.guard.get());
            see(info, guard);
            if guard == 0 || !SILENT.load(Ordering::Relaxed) {
                before(info);
            }
        }));
        *installed = true;
    }

    fn see(info: &PanicHookInfo<'_>, guard: usize) {
        let guarded = guard != 0;
        kept::keep(guarded, |room_for_context| {
            let (frames, truncated) = walk(guard);
            Capture::new(Seen {
                identity: Identity::of(info.payload()),
                place: info.location().map(|place| Place {
                    file: place.file().into(),
                    line: place.line(),
                    column: place.column(),
                }),
                frames,
                truncated,
                thread: thread::current().name().map(Into::into),
                context: if room_for_context {
                    CONTEXT.get().and_then(|context| context())
                } else {
                    None
                },
                parked: Vec::new(),
                at: Instant::now(),
                number: LOCAL.with(Local::number),
                task: task::current(),
                mark: None,
                is_settled: false,
                doubt: None,
                candidates: Box::default(),
            })
        });
    }

    /// Return addresses from here to the first frame that is not below the guard.
    ///
    /// That one is kept: the guard, and with it the user's code, may be inlined into it.
    fn walk(guard: usize) -> (Box<[usize]>, bool) {
        let mut addresses = [0_usize; MAX_FRAMES];
        let mut room = addresses.iter_mut();
        let mut len = 0;
        let mut truncated = false;
        trace(|frame| {
            let Some(address) = room.next() else {
                truncated = true;
                return false;
            };
            *address = frame.ip() as usize;
            len += 1;
            // The stack grows downwards on everything we run on. Unknown is 0: go on.
            guard == 0 || (frame.sp() as usize) <= guard
        });
        (addresses.iter().take(len).copied().collect(), truncated)
    }

    #[cfg(not(windows))]
    #[expect(
        unsafe_code,
        reason = "`backtrace::trace` takes a lock, which a hook must not"
    )]
    fn trace(each: impl FnMut(&backtrace::Frame) -> bool) {
        // SAFETY: the lock is there for dbghelp, which only Windows has; elsewhere this is
        // `_Unwind_Backtrace`, which is safe to call on any number of threads at once.
        unsafe { backtrace::trace_unsynchronized(each) }
    }

    #[cfg(windows)]
    fn trace(each: impl FnMut(&backtrace::Frame) -> bool) {
        backtrace::trace(each);
    }
}
