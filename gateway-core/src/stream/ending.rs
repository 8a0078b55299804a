use std::task::{Context, Poll};
use std::time::Duration;

use panic_capture::Caught;

use crate::BoxError;
use crate::threads::runtime::Runtime;
use crate::threads::timer::Delay;

/// How a body ends that is not complete.
pub(crate) enum Failed {
    Error(BoxError),
    Panic(Caught),
}

/// A failure that is told when the pieces before it have had the time to be sent.
///
/// Servers send what they hold when a body has nothing more for now, and drop it when a body
/// fails: hyper drops even the head. Over HTTP/2 it is another task that sends, perhaps on a
/// thread that is busy. A body is not told what was sent.
pub(crate) struct Failing {
    pub(crate) failed: Failed,
    /// How many turns all other tasks may still have first.
    turns: u8,
    pause: Option<Delay>,
}

/// How long a server has to send what it holds.
const PAUSE: Duration = Duration::from_millis(50);

impl Failing {
    pub(crate) fn at_once(failed: Failed) -> Self {
        Self {
            failed,
            turns: 0,
            pause: None,
        }
    }

    pub(crate) fn after_pieces(failed: Failed) -> Self {
        // Where no runtime runs, the caller has sent each piece before it asks for the next. Not
        // the runtime's timer, which it need not have, nor one of its threads to sleep on.
        let runs = Runtime::current().is_some();
        Self {
            failed,
            turns: 2,
            pause: runs.then(|| Delay::of(PAUSE)).flatten(),
        }
    }

    pub(crate) fn poll_pause(&mut self, context: &Context<'_>) -> Poll<()> {
        if let Some(less) = self.turns.checked_sub(1) {
            self.turns = less;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match &mut self.pause {
            Some(pause) => pause.poll(context),
            None => Poll::Ready(()),
        }
    }
}
