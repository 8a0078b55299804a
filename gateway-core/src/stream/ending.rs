use std::task::{Context, Poll};

use panic_capture::Caught;

use crate::BoxError;
#[cfg(feature = "tokio")]
use crate::stream::pause::Pause;

/// How a body ends that is not complete.
pub(crate) enum Failed {
    Error(BoxError),
    Panic(Caught),
}

/// A failure that is told when the pieces before it have had the time to be sent.
///
/// Servers send what they hold when a body has nothing more for now, and drop it when a body
/// fails: hyper drops even the head. Over HTTP/2 it is another task that sends, perhaps on a
/// thread that is busy. Nobody tells a body what was sent.
pub(crate) struct Failing {
    pub(crate) failed: Failed,
    /// How often everybody else may go first.
    turns: u8,
    #[cfg(feature = "tokio")]
    pause: Option<Pause>,
}

impl Failing {
    pub(crate) fn at_once(failed: Failed) -> Self {
        Self {
            failed,
            turns: 0,
            #[cfg(feature = "tokio")]
            pause: None,
        }
    }

    pub(crate) fn after_pieces(failed: Failed) -> Self {
        #[cfg(feature = "tokio")]
        // Not the runtime's timer, which it need not have; nor one of its threads, which other work needs.
        let pause = tokio::runtime::Handle::try_current()
            .is_ok()
            .then(Pause::begin);
        Self {
            failed,
            turns: 2,
            #[cfg(feature = "tokio")]
            pause,
        }
    }

    pub(crate) fn poll_pause(&mut self, context: &Context<'_>) -> Poll<()> {
        if let Some(less) = self.turns.checked_sub(1) {
            self.turns = less;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        #[cfg(feature = "tokio")]
        if let Some(pause) = &self.pause {
            std::task::ready!(pause.poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }
}
