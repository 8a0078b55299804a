use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tracing::warn;

use super::current::Current;

/// Reads the files again at each SIGHUP, for as long as this lives.
#[derive(Debug)]
pub(super) struct Hangup(JoinHandle<()>);

impl Hangup {
    /// Must be called on a runtime. `None` where signals cannot be listened for.
    pub(super) fn listen(current: Arc<Current>) -> Option<Self> {
        let mut signals = match signal(SignalKind::hangup()) {
            Ok(signals) => signals,
            Err(error) => {
                warn!(%error, "SIGHUP is not listened for");
                return None;
            }
        };
        Some(Self(tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let current = Arc::clone(&current);
                // What is wrong with the files was told.
                let _ = tokio::task::spawn_blocking(move || current.reload()).await;
            }
        })))
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.abort();
    }
}
