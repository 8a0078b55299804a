//! Error text of a request, on its way from wherever the application runs to the connection.

use std::io::Write;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use gateway_core::request::ErrorSink;

use crate::waker::WakerSlot;

/// Text that waits for a front end which does not read, or for a connection that is busy; what comes on
/// top is lost, and a line says how much.
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
    /// Bytes that found no room behind it.
    lost: u64,
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

impl State {
    fn add(&mut self, text: &[u8]) {
        // Where something is lost all that follows is, too: there is one gap, at the end.
        let room = match self.lost {
            0 => MOST.saturating_sub(self.text.len()),
            _ => 0,
        };
        let (kept, lost) = text.split_at_checked(room).unwrap_or((text, &[]));
        self.text.extend_from_slice(kept);
        self.lost += lost.len() as u64;
    }

    fn take(&mut self) -> Vec<u8> {
        let mut text = mem::take(&mut self.text);
        let lost = mem::take(&mut self.lost);
        if lost > 0 {
            if !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            text.extend(format!("[{lost} bytes of the errors stream are lost here]\n").bytes());
        }
        text
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
        state.take()
    }

    /// What has come since the last time; the task is woken when there is more.
    pub(super) fn take(&self, cx: &Context<'_>) -> Vec<u8> {
        self.shared.connection.register(cx.waker());
        self.shared.lock().take()
    }
}

impl ErrorSink for RequestErrors {
    fn write(&self, text: &[u8]) {
        let mut state = self.shared.lock();
        if state.request != self.request {
            drop(state);
            // Where that fails there is no other place to write to.
            let _ = std::io::stderr().write_all(text);
            return;
        }
        state.add(text);
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
    fn what_finds_no_room_is_counted_where_it_is_missing() {
        let errors = ErrorText::default();
        let stream = errors.begin();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..65 {
            stream.write(&line);
        }
        stream.write(b"more");
        let text = errors.end();
        let (kept, mark) = text.split_at(MOST);
        assert!(kept == line.repeat(64));
        assert_eq!(
            str::from_utf8(mark).unwrap(),
            "[1028 bytes of the errors stream are lost here]\n"
        );
        let stream = errors.begin();
        stream.write(b"of the next request");
        assert_eq!(errors.end(), b"of the next request");
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
