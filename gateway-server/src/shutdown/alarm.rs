use std::future::pending;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// Ready after `duration`. A thread of its own tells the time: the runtime would not, while all of its
/// workers are blocked by what a shutdown is about to cut.
pub(super) async fn alarm(duration: Duration) {
    let (ring, rung) = oneshot::channel();
    // Dropped with the future, which wakes the thread.
    let (_wanted, unwanted) = sync_channel::<()>(0);
    let clock = move || {
        if unwanted.recv_timeout(duration) == Err(RecvTimeoutError::Timeout) {
            let _ = ring.send(());
        }
    };
    let spawned = thread::Builder::new().name("shutdown".into()).spawn(clock);
    match spawned {
        Ok(_) if rung.await.is_ok() => {}
        Ok(_) => pending().await,
        Err(_) => tokio::time::sleep(duration).await,
    }
}
