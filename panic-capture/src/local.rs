//! What a thread knows of its guards, and the drop that lets nothing out.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Of this thread. `const` and without a destructor, so that an access is one instruction.
pub(crate) struct Local {
    /// A stack address inside the innermost guard; 0 outside of all of them.
    pub(crate) guard: Cell<usize>,
    /// How many captures there have been: what a guard may claim is what came since it was entered.
    pub(crate) captures: Cell<usize>,
}

thread_local! {
    pub(crate) static LOCAL: Local =
        const { Local { guard: Cell::new(0), captures: Cell::new(0) } };
}

impl Local {
    /// The number of a new capture.
    pub(crate) fn number(&self) -> usize {
        let number = self.captures.get();
        self.captures.set(number.wrapping_add(1));
        number
    }
}

/// Drops a payload, or anything else, whose `Drop` may panic.
pub fn discard<T>(value: T) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Who knows what the drop of this one does: leak it.
        std::mem::forget(second);
    }
}
