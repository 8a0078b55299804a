//! One timer per connection, armed as rarely as possible.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection waits for, where it must not wait for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The next request.
    Idle,
    /// The rest of a request's variables.
    Head,
    /// More of a request's body, which the service wants to read.
    Body,
    /// The front end to take what was written.
    Write,
    /// A service that works for a client that may have gone.
    HalfClosed,
    /// The front end to close its side.
    Linger,
}

/// A deadline that moves with every request, over a timer that does not: re-arming a timer costs
/// more than a small request does, so it is left to fire early and looked at then.
#[derive(Debug, Default)]
pub(super) struct Timer {
    wait: Option<(Wait, Instant)>,
    // Made when it is first needed: most connections never wait for long.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Says what is waited for from now on. The deadline starts anew if `anew`, or if it is
    /// something else than before.
    pub(super) fn wait(&mut self, wait: Option<(Wait, Duration)>, anew: bool) {
        let before = self.wait;
        self.wait = wait.map(|(wait, patience)| match before {
            Some((before, deadline)) if before == wait && !anew => (wait, deadline),
            // Beyond what the clock can say is for ever, or as good as.
            _ => (
                wait,
                Instant::now().checked_add(patience).unwrap_or_else(far),
            ),
        });
    }

    /// Ready when the deadline has passed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wait> {
        let Some((wait, deadline)) = self.wait else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(wait);
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365)
}
