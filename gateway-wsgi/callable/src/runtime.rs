use std::io;
use std::process;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{self, Handle};

/// A runtime that is started when it is first asked for, in the process that asks.
#[derive(Debug, Default)]
pub(crate) struct Runtime {
    started: Mutex<Option<(u32, runtime::Runtime)>>,
}

impl Runtime {
    pub(crate) fn handle(&self) -> io::Result<Handle> {
        let process = process::id();
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, runtime)) = &*started
            && *of == process
        {
            return Ok(runtime.handle().clone());
        }
        // Of the process that this one was forked from, the threads are not here: nothing of its
        // runtime can be stopped, or dropped.
        if let Some((_, others)) = started.take() {
            std::mem::forget(others);
        }
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("rust-site")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        *started = Some((process, runtime));
        Ok(handle)
    }
}
