//! Threads with a runtime of their own each, and connections that stay where they began.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Where connections run.
#[derive(Debug, Default)]
pub(crate) enum Workers {
    /// On the runtime that accepts them.
    #[default]
    Here,
    Threads(Vec<Worker>),
}

/// A thread that runs tasks until this value is dropped.
pub(crate) struct Worker {
    runtime: Handle,
    /// A share of it for each connection, to be counted.
    connections: Arc<()>,
    _stop: oneshot::Sender<()>,
}

impl Workers {
    pub(crate) fn threads(count: usize) -> io::Result<Self> {
        let workers: io::Result<_> = (0..count.max(1)).map(Worker::start).collect();
        Ok(Self::Threads(workers?))
    }

    /// Runs it as a task of its own, so that connections use every core and a panic ends only one: on the thread
    /// that has the fewest.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let Self::Threads(workers) = self else {
            tokio::spawn(connection);
            return;
        };
        let idlest = workers
            .iter()
            .min_by_key(|worker| Arc::strong_count(&worker.connections));
        if let Some(worker) = idlest {
            let counted = Arc::clone(&worker.connections);
            worker.runtime.spawn(async move {
                connection.await;
                drop(counted);
            });
        }
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("gateway-{number}"));
        thread.spawn(move || {
            // Never sent to; its other half is dropped.
            let _ = runtime.block_on(stopped);
            // Whatever still runs on a thread that may block is not waited for: a shutdown has done that.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            runtime: handle,
            connections: Arc::new(()),
            _stop: stop,
        })
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
