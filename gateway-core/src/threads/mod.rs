//! Threads that may block: a queue of our own in front of the runtime's blocking pool.
//!
//! The runtime lends the threads (so its context is there, and its shutdown waits for what runs),
//! but not once per request: a thread that has done one piece of work takes the next from our
//! queue, and lingers a while when there is none. Under load most hand-overs then need no wake-up
//! at all, and wake-ups are what a hop costs (some 30,000 kernel instructions).
//!
//! While work is quick, a thread for each processor is enough: the *crew*. As long as a thread
//! watches that it makes progress, no more are called for what is queued; see [`pace`].

#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "only the adapters wait for a free thread")
)]

pub(crate) mod block_on;
mod buffers;
pub(crate) mod lend;
mod pace;
mod parker;
mod perform;
mod places;
pub(crate) mod pool;
pub(crate) mod reserve;
mod room;
pub(crate) mod runtime;
mod scheduler;
pub(crate) mod timer;
pub(crate) mod work;
mod workers;
