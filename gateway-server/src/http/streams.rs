//! The tasks of an HTTP/2 connection, one for each stream, and one more for a stream that became a tunnel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::activity::Event;
use super::shared_activity::SharedActivity;

/// Where hyper spawns them. While one runs, the connection is not idle: hyper tells in no other way how
/// long a tunnel (CONNECT, a WebSocket) is used.
#[derive(Clone, Debug)]
pub(crate) struct Streams(pub(crate) Arc<SharedActivity>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.on(Event::StreamBegan);
        tokio::spawn(Stream {
            future,
            counted: Counted(Arc::clone(&self.0)),
        });
    }
}

pin_project! {
    struct Stream<F> {
        #[pin]
        future: F,
        // Dropped last.
        counted: Counted,
    }
}

struct Counted(Arc<SharedActivity>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.stream_ended();
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx)
    }
}
