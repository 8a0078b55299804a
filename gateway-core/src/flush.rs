//! How a body that fails half way lets its last pieces reach the client first.
//!
//! A body cannot see what was sent. Servers send what they hold when a body is pending, and drop it when a
//! body fails: hyper drops even the response's head. Over HTTP/1 the first pending poll flushes; over
//! HTTP/2 another task sends, perhaps on a thread that is busy. So a body stays pending for
//! [two turns](TURNS) and [a short time](FLUSH_TIME) between its last piece and its failure.
//!
//! Every body that can fail after a piece keeps a [`FlushPause`]. Several that wrap each other pause
//! once: an outer one has seen the inner one pending. What a client takes more slowly is still lost.

use std::fmt;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::threads::timer::Delay;

/// How long a body is pending between its last piece and its failure.
///
/// Long enough for the task of an HTTP/2 connection to be scheduled on a busy machine.
pub const FLUSH_TIME: Duration = Duration::from_millis(250);

/// How many turns other tasks have between the last piece and the failure, at least.
pub const TURNS: u8 = 2;

/// The pause between a body's last piece and its failure.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use gateway_core::flush::{FLUSH_TIME, FlushPause};
///
/// let mut context = Context::from_waker(Waker::noop());
/// let mut pause = FlushPause::default();
/// // Without a piece there is nothing to flush.
/// assert!(pause.poll(FLUSH_TIME, &mut context).is_ready());
/// pause.piece_given();
/// assert!(pause.poll(FLUSH_TIME, &mut context).is_pending());
/// ```
#[derive(Default)]
pub struct FlushPause {
    unsent: Unsent,
    // Boxed: every body has room for it, and nearly none fails.
    delay: Option<Box<Delay>>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Unsent {
    /// No piece was given, or all pieces are known to be sent.
    #[default]
    Nothing,
    /// The server has the last piece and has not found the body pending since.
    Given,
    /// The body has been pending so often since `since`.
    Pending { since: Instant, turns: u8 },
}

impl FlushPause {
    /// The body has given a piece.
    #[inline]
    pub fn piece_given(&mut self) {
        self.unsent = Unsent::Given;
    }

    /// The body has been pending, so the server could send what it holds.
    pub fn was_pending(&mut self) {
        self.unsent = match self.unsent {
            Unsent::Nothing => return,
            Unsent::Given => Unsent::Pending {
                since: Instant::now(),
                turns: 1,
            },
            Unsent::Pending { since, turns } => Unsent::Pending {
                since,
                turns: turns.saturating_add(1),
            },
        };
    }

    /// All pieces are sent: a failure has nothing to wait for.
    pub fn all_sent(&mut self) {
        self.unsent = Unsent::Nothing;
    }

    /// Ready when the body has been pending for two turns and for `time` since its last piece.
    pub fn poll(&mut self, time: Duration, context: &mut Context<'_>) -> Poll<()> {
        let (since, turns) = match self.unsent {
            Unsent::Nothing => return Poll::Ready(()),
            Unsent::Given => (Instant::now(), 0),
            Unsent::Pending { since, turns } => (since, turns),
        };
        if turns < TURNS {
            self.was_pending();
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.delay.is_none() {
            let left = time.saturating_sub(since.elapsed());
            self.delay = Delay::of(left).map(Box::new);
        }
        let over = match &mut self.delay {
            Some(delay) => delay.poll(context),
            // Longer than clocks can tell.
            None => Poll::Pending,
        };
        if over.is_ready() {
            self.delay = None;
            self.unsent = Unsent::Nothing;
        }
        over
    }
}

impl fmt::Debug for FlushPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlushPause")
            .field("unsent", &self.unsent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    /// How often the pause wakes its own task, and whether it is over then.
    fn turns(pause: &mut FlushPause, time: Duration) -> (usize, bool) {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut context = Context::from_waker(&waker);
        loop {
            let before = wakes.0.load(Ordering::Relaxed);
            let over = pause.poll(time, &mut context).is_ready();
            let woken = wakes.0.load(Ordering::Relaxed);
            if over || woken == before {
                return (woken, over);
            }
        }
    }

    #[test]
    fn a_body_without_a_piece_fails_at_once() {
        let mut pause = FlushPause::default();
        pause.was_pending();
        assert_eq!(turns(&mut pause, HOUR), (0, true));
    }

    #[test]
    fn after_a_piece_come_two_turns_and_the_time() {
        let mut pause = FlushPause::default();
        pause.piece_given();
        assert_eq!(turns(&mut pause, Duration::ZERO), (2, true));
        assert_eq!(turns(&mut pause, HOUR), (0, true));
        pause.piece_given();
        assert_eq!(turns(&mut pause, HOUR), (2, false));
        assert_eq!(turns(&mut pause, HOUR), (0, false));
    }

    #[test]
    fn a_body_that_was_pending_before_it_fails_has_less_to_wait() {
        let mut pause = FlushPause::default();
        pause.piece_given();
        pause.was_pending();
        assert_eq!(turns(&mut pause, Duration::ZERO), (1, true));
        pause.piece_given();
        pause.was_pending();
        pause.was_pending();
        assert_eq!(turns(&mut pause, Duration::ZERO), (0, true));
        // A further piece begins anew.
        pause.was_pending();
        pause.piece_given();
        assert_eq!(turns(&mut pause, Duration::ZERO), (2, true));
    }

    #[test]
    fn pieces_that_are_known_to_be_sent_need_no_pause() {
        let mut pause = FlushPause::default();
        pause.piece_given();
        pause.all_sent();
        assert_eq!(turns(&mut pause, HOUR), (0, true));
    }
}
