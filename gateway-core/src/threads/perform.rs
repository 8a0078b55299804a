//! Performs what the [`scheduler`](super::scheduler) decides, once its lock is released.

use std::sync::Arc;
use std::task::Wake;
use std::time::{Duration, Instant};

use super::pool::{Actions, Event, Pool};
use super::runtime::Runtime;
use super::scheduler::{Help, Next};
use super::timer;
use super::work::Work;
use super::workers::Worker;

/// How long a caller that was woken has to come for its room, before all others are woken.
const COMES_WITHIN: Duration = Duration::from_millis(5);

impl Pool {
    /// Lets the scheduler decide, and does what it says.
    pub(super) fn on(self: &Arc<Self>, event: Event<'_>) -> Done {
        let mut state = self.lock();
        let actions = state.on(event);
        self.publish(&state);
        drop(state);
        self.perform(actions)
    }

    fn perform(self: &Arc<Self>, actions: Actions) -> Done {
        let Actions {
            granted,
            ticket,
            help,
            dismissed,
            wake,
            wake_all,
            set_timer,
            replaced,
            next,
        } = actions;
        let helped = match help {
            Help::None => true,
            Help::Unpark(parker) => {
                parker.call();
                true
            }
            Help::Spawn => Worker::new(Arc::clone(self)).spawn(Runtime::current()),
        };
        for parker in dismissed {
            parker.call();
        }
        // To wake or drop a waker runs code of its task's.
        timer::wake_all(wake.into_iter().chain(wake_all.into_values()));
        drop(replaced);
        if set_timer {
            timer::wake_at(Instant::now() + COMES_WITHIN, Arc::clone(self).into());
        }
        Done {
            granted,
            ticket,
            helped,
            next,
        }
    }
}

/// The result of an event.
pub(super) struct Done {
    pub(super) granted: bool,
    pub(super) ticket: Option<u64>,
    /// No thread was missing that could not be spawned.
    pub(super) helped: bool,
    pub(super) next: Next<Work>,
}

/// Called by the timer.
impl Wake for Pool {
    fn wake(self: Arc<Self>) {
        self.on(Event::RoomTimer);
    }
}
