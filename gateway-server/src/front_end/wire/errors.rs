//! Error text of a request, on its way from wherever the application runs to the connection.

use std::io::Write;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use gateway_core::ErrorSink;

use crate::waker::WakerSlot;

/// Text that waits for a front end which does not read; what comes on top is lost.
const MOST: usize = 64 * 1024;

/// The errors stream of one connection, of whichever request is running.
#[derive(Debug, Default)]
pub(super) struct ErrorText {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    connection: WakerSlot,
}

#[derive(Debug, Default)]
struct State {
    text: Vec<u8>,
    /// Counts requests: what still writes after its request has ended must not write into the next.
    request: u64,
}

/// The errors stream of one request.
#[derive(Debug)]
pub(super) struct RequestErrors {
    shared: Arc<Shared>,
    request: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ErrorText {
    /// The stream for the request that begins now.
    pub(super) fn begin(&self) -> RequestErrors {
        RequestErrors {
            shared: Arc::clone(&self.shared),
            request: self.shared.lock().request,
        }
    }

    /// Ends the stream of the present request; text that comes later goes to the process's own.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut state = self.shared.lock();
        state.request += 1;
        mem::take(&mut state.text)
    }

    /// What has come since the last time; the task is woken when there is more.
    pub(super) fn take(&self, cx: &Context<'_>) -> Vec<u8> {
        self.shared.connection.register(cx.waker());
        mem::take(&mut self.shared.lock().text)
    }
}

impl ErrorSink for RequestErrors {
    fn write(&self, text: &[u8]) {
        let mut state = self.shared.lock();
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
        drop(state);
        self.shared.connection.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::{Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// The waker of a task that says something when it is dropped.
    struct Last(RequestErrors);

    impl Wake for Last {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Last {
        fn drop(&mut self) {
            self.0.write(b"last words");
        }
    }

    #[test]
    fn a_waker_whose_drop_writes_is_dropped_without_the_lock() {
        let (done, wait) = mpsc::channel();
        // Elsewhere: what locks a mutex twice hangs.
        thread::spawn(move || {
            let errors = ErrorText::default();
            let waker = Waker::from(Arc::new(Last(errors.begin())));
            assert!(errors.take(&Context::from_waker(&waker)).is_empty());
            drop(waker);
            let text = errors.take(&Context::from_waker(Waker::noop()));
            let _ = done.send(text);
        });
        let text = wait.recv_timeout(Duration::from_secs(20));
        assert_eq!(text.as_deref(), Ok(&b"last words"[..]), "it hangs");
    }
}
