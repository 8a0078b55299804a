//! Where a panic happened: raw frames taken in the panic hook, claimed by the code that catches it.
//!
//! `catch_unwind` hands over a payload and nothing else: by then the frames are
//! gone. Here a hook, installed once and chained to the one before it, copies the
//! place, the thread's name and the raw instruction pointers while the stack still
//! stands, and [`guard`] finds them again for exactly the payload it caught.
//!
//! ```
//! panic_capture::install();
//!
//! let line = line!() + 1;
//! let caught = panic_capture::guard(|| "x7".parse::<u32>().unwrap()).unwrap_err();
//!
//! assert!(caught.payload.downcast_ref::<String>().unwrap().contains("InvalidDigit"));
//! # #[cfg(feature = "hook")] {
//! let capture = caught.capture.unwrap();
//! assert_eq!(capture.place().unwrap().line, line);
//! assert!(!capture.frames().is_empty());
//! # }
//! ```
//!
//! # Across threads
//!
//! A pool that runs its caller's code guards its thread and sends the [`Caught`] back. The
//! caller calls [`Caught::resume`]: the panic goes on there, and a guard further out claims the frames of the thread where it happened.
//!
//! ```
//! # panic_capture::install();
//! let outer = panic_capture::guard(|| {
//!     let thread = std::thread::spawn(|| panic_capture::guard(|| panic!("far away")));
//!     match thread.join().unwrap() {
//!         Ok(()) => {}
//!         Err(caught) => caught.resume(),
//!     }
//! });
//! # #[cfg(feature = "hook")]
//! assert!(outer.unwrap_err().capture.is_ok());
//! ```
//!
//! A pool that is not ours (`spawn_blocking`, rayon) knows nothing of guards. Its panics are
//! captured all the same and wait in a ring; when `resume_unwind` brings the
//! payload below a guard, it is found there by identity.
//!
//! A task of tokio's whose panic became a `JoinError` is found by the number of the task, with the feature `tokio`:
//! see [`of_task`].
//!
//! # Whose frames
//!
//! Never another panic's. A `String` payload is known by the address, length and text of its
//! buffer, which survive from the hook to the catch. A literal or a payload of another
//! type has no such identity: it is claimed on the thread of its guard, or from the
//! ring if just one panic can be meant. Otherwise the capture has what all have in common that
//! could be meant, and [says so](Capture::doubt); it is no guess. A payload that no hook saw
//! (`resume_unwind` of a fresh value, or a hook installed later that does not call the one before it)
//! is [`Missing::Unseen`].
//!
//! # What it costs
//!
//! A guard that catches nothing saves and restores one thread-local word. Nothing
//! is symbolicated here, ever: turn [`Capture::frames`] into names when and where that is cheap.
//! The hook takes no lock that could wait, calls no `Display` of a payload, and keeps at most
//! [`MAX_FRAMES`] frames of each panic, [`MAX_KEPT`] panics per thread and [`RING`]
//! unclaimed panics per process, of these [`RING_FRAMES`] frames together: under 2 MiB.
//!
//! # What it cannot do
//!
//! With `panic = "abort"`, a second panic while unwinding, a panic inside a hook or a stack
//! overflow the process ends, as the language has it; nothing is caught.
//!
//! # Features
//!
//! `tokio`: the hook notes which task panics. It depends on tokio's `rt`.
//!
//! `hook` (default) depends on `backtrace` to walk the stack. Without it [`install`] does nothing and every
//! capture is [`Missing::Unseen`], while guards and [`Caught::resume`] work the same: for
//! libraries that carry panics and leave it to the program whether they are traced.

mod capture;
mod guard;
mod hook;
mod identity;
mod kept;
mod local;
mod ring;
mod task;

pub use capture::{Capture, MAX_CANDIDATES, MAX_FRAMES, Missing, Place};
pub use guard::{Caught, Guard, Here, guard, is_answering, is_guarded};
pub use hook::{Context, install, is_silenced, set_context, silence_guarded};
pub use kept::{MAX_KEPT, of_task};
pub use local::discard;
pub use ring::{RING, RING_FRAMES};

/// The folder of this crate's source files, as the compiler saw it: a
/// renderer of frames recognises ours by it.
#[doc(hidden)]
pub const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
