//! The callers that wait for room to submit a job, are woken when there is some, and may not come.

use std::collections::BTreeMap;
use std::mem;

/// Callers in the order in which they began to wait, each by its ticket.
///
/// A woken caller may never come: its connection may have no request left and keep its clone of the
/// service. So a timer runs while others wait: if no woken caller has come by then, all are woken.
pub(super) struct Room<W> {
    waiting: BTreeMap<u64, W>,
    last_ticket: u64,
    /// How many callers came that had waited.
    came: u64,
    /// What `came` was when the timer was set.
    timer: Option<u64>,
}

impl<W> Default for Room<W> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            last_ticket: 0,
            came: 0,
            timer: None,
        }
    }
}

impl<W> Room<W> {
    /// The caller's ticket, and the waker it had before. A caller that comes back in vain keeps its place.
    pub(super) fn wait(&mut self, ticket: Option<u64>, waker: W) -> (u64, Option<W>) {
        let ticket = ticket.unwrap_or_else(|| {
            self.last_ticket += 1;
            self.last_ticket
        });
        (ticket, self.waiting.insert(ticket, waker))
    }

    /// A caller that waited has found room.
    pub(super) fn enter(&mut self, ticket: u64) -> Option<W> {
        self.came += 1;
        self.waiting.remove(&ticket)
    }

    pub(super) fn leave(&mut self, ticket: u64) -> Option<W> {
        self.waiting.remove(&ticket)
    }

    /// The next caller to wake, and whether the timer is to be set: whenever there may be more room.
    pub(super) fn next(&mut self) -> (Option<W>, bool) {
        let waker = self.waiting.pop_first().map(|(_, waker)| waker);
        let set_timer = !self.waiting.is_empty() && self.timer.is_none();
        if set_timer {
            self.timer = Some(self.came);
        }
        (waker, set_timer)
    }

    /// All callers, if there is room and none of those that were woken has come for it.
    pub(super) fn time_is_over(&mut self, has_room: bool) -> BTreeMap<u64, W> {
        match self.timer.take() {
            Some(came) if has_room && came == self.came => mem::take(&mut self.waiting),
            _ => BTreeMap::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
