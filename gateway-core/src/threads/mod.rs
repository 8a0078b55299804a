//! Threads that may block: a queue of our own in front of the runtime's blocking pool.
//!
//! The runtime lends the threads, so that its context is there and its shutdown waits for running jobs. It
//! does not lend one per request: a thread that has done a job takes the next from the pool's queue, and waits
//! a while when the queue is empty. Under load most jobs then start without a wake-up, and a wake-up is
//! most of what a hop to another thread costs (some 30,000 kernel instructions).
//!
//! While jobs are quick, a thread for each processor is enough: the *crew*. One idle thread watches that the
//! crew makes progress, and the pool calls no more threads for queued jobs; see [`pace`].
//!
//! [`scheduler`] decides, [`perform`] acts, [`workers`] are the threads, and [`pool`] is what the adapters call.

#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "only the adapters wait for a free thread")
)]

pub(crate) mod block_on;
mod buffers;
pub(crate) mod handle;
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
pub(crate) mod workers;
