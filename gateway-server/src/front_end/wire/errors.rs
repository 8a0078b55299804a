//! Error text of a request, on its way from wherever the application runs to the connection.

use std::io::Write;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use gateway_core::ErrorSink;

/// Text that waits for a front end which does not read; what comes on top is lost.
const MOST: usize = 64 * 1024;

/// The errors stream of one connection, of whichever request is running.
#[derive(Debug, Default)]
pub(super) struct ErrorText {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    text: Vec<u8>,
    /// Counts requests: what still writes after its request has ended must not write into the next.
    request: u64,
    connection: Option<Waker>,
}

/// The errors stream of one request.
#[derive(Debug)]
pub(super) struct RequestErrors {
    shared: Arc<Mutex<State>>,
    request: u64,
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing panics while it is held.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ErrorText {
    /// The stream for the request that begins now.
    pub(super) fn begin(&self) -> RequestErrors {
        RequestErrors {
            shared: Arc::clone(&self.shared),
            request: lock(&self.shared).request,
        }
    }

    /// Ends the stream of the present request; text that comes later goes to the process's own.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut state = lock(&self.shared);
        state.request += 1;
        mem::take(&mut state.text)
    }

    /// What has come since the last time; the task is woken when there is more.
    pub(super) fn take(&self, cx: &Context<'_>) -> Vec<u8> {
        let mut state = lock(&self.shared);
        match &mut state.connection {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        mem::take(&mut state.text)
    }
}

impl ErrorSink for RequestErrors {
    fn write(&self, text: &[u8]) {
        let mut state = lock(&self.shared);
        if state.request != self.request {
            drop(state);
            // Nobody is left to be told where that fails.
            let _ = std::io::stderr().write_all(text);
            return;
        }
        let room = MOST.saturating_sub(state.text.len());
        state
            .text
            .extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        if let Some(connection) = state.connection.take() {
            drop(state);
            connection.wake();
        }
    }
}
