//! The accept loop, for every protocol: a limit that waits, errors that do not spin.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gateway_core::request::Addr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;
use tracing::{debug, warn};

#[cfg(feature = "fairness")]
use crate::fairness::{Admitted, ConnectionBounds};
#[cfg(feature = "_wire")]
use crate::shutdown::Phase;
use crate::shutdown::{Notice, Shutdown, Tracked, tell_supervisor};
use crate::state::CountedConnection;
use crate::{Listener, ServerState};

/// The pause after the first error of the listening socket.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between errors.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a connection holds for as long as it lives: its place under the limit, and its place in
/// the count of what a shutdown waits for.
#[derive(Debug)]
pub(crate) struct Admission {
    _permit: OwnedSemaphorePermit,
    tracked: Tracked,
    _counted: Option<CountedConnection>,
    #[cfg(feature = "fairness")]
    bounds: ForClient,
}

/// What bounds the connections of one client.
#[derive(Debug)]
#[cfg(feature = "fairness")]
struct ForClient {
    door: Arc<Door>,
    // Once the client is known.
    admitted: Option<Admitted>,
}

/// What connections have to pass, and what counts them.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) limit: Arc<Semaphore>,
    pub(crate) state: Option<ServerState>,
    #[cfg(feature = "fairness")]
    pub(crate) bounds: Arc<ConnectionBounds>,
}

impl Door {
    /// `None` where the client has too many connections already.
    fn admit(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        tracked: Tracked,
        peer: Option<&Addr>,
    ) -> Option<Admission> {
        let mut admission = Admission {
            _permit: permit,
            tracked,
            _counted: self.state.as_ref().map(ServerState::connection_accepted),
            #[cfg(feature = "fairness")]
            bounds: ForClient {
                door: Arc::clone(self),
                admitted: None,
            },
        };
        match peer {
            Some(peer) => admission.is_for(peer).then_some(admission),
            None => Some(admission),
        }
    }
}

impl Admission {
    /// Whether the client may have one more connection. What was known of it first counts: a connection has one client.
    #[cfg_attr(
        not(feature = "fairness"),
        expect(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "there are no bounds"
        )
    )]
    pub(crate) fn is_for(&mut self, peer: &Addr) -> bool {
        #[cfg(feature = "fairness")]
        {
            let door = &self.bounds.door;
            let admitted = &mut self.bounds.admitted;
            let is_refused = matches!(
                admitted.get_or_insert_with(|| door.bounds.admit(peer)),
                Admitted::Refused
            );
            if is_refused {
                debug!(%peer, "connection refused: its client has too many");
                if let Some(state) = &door.state {
                    state.connection_refused();
                }
            }
            !is_refused
        }
        #[cfg(not(feature = "fairness"))]
        {
            let _ = peer;
            true
        }
    }

    /// Whether a shutdown has dropped the open connections.
    #[cfg(feature = "_wire")]
    pub(crate) fn is_cut(&self) -> bool {
        self.shutdown().phase() == Phase::Cut
    }

    /// The shutdown that waits.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        self.tracked.shutdown()
    }
}

/// Accepts until `stop` is ready, never more than `door.limit` connections at a time: those beyond it
/// wait in the kernel's queue. Each is run by `serve` in a task of its own.
///
/// At the end what the kernel holds already is accepted, as far as the limit goes: those clients
/// have connected, and closing the socket would reset them.
pub(crate) async fn accept<L, S, F>(
    listener: &mut L,
    door: &Arc<Door>,
    shutdown: &Shutdown,
    stop: impl Future<Output = ()>,
    mut serve: S,
) where
    L: Listener,
    S: FnMut(L::Handshake, Admission) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    // The kernel has taken connections since the socket was bound; from here they are answered.
    tell_supervisor(Notice::Ready);
    let limit = &door.limit;
    let mut start = |handshake, permit| {
        let admission = door.admit(permit, shutdown.track(), L::peer(&handshake));
        if let Some(admission) = admission {
            // A task of its own, so that connections use every core and a panic ends only one.
            tokio::spawn(serve(handshake, admission));
        }
    };
    let going_on = async {
        let mut pause = Pause::new();
        let mut full = false;
        loop {
            if limit.available_permits() == 0 && !full {
                full = true;
                warn!("connection limit reached, new connections wait");
            }
            let Ok(permit) = Arc::clone(limit).acquire_owned().await else {
                return; // closed: never done
            };
            match listener.accept().await {
                Ok(handshake) => {
                    pause.reset();
                    full &= limit.available_permits() == 0;
                    start(handshake, permit);
                }
                Err(error) if of_one_connection(&error) => {
                    debug!(%error, "connection gone before it was accepted");
                }
                Err(error) => {
                    let pause = pause.next();
                    warn!(%error, ?pause, "accepting paused");
                    time::sleep(pause).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop => {}
        () = going_on => {}
    }
    listener.last_call();
    while let Ok(permit) = Arc::clone(limit).try_acquire_owned() {
        // Take only what is ready at once, up to a budget: a flood of connections must not delay the end.
        let mut accepted = pin!(tokio::task::unconstrained(listener.accept()));
        match poll_fn(|cx| Poll::Ready(accepted.as_mut().poll(cx))).await {
            Poll::Ready(Ok(handshake)) => start(handshake, permit),
            Poll::Ready(Err(error)) if of_one_connection(&error) => {}
            Poll::Ready(Err(_)) | Poll::Pending => break,
        }
    }
}

/// Whether the error says nothing about the listening socket: accept(2) also reports what became
/// of the connection at the head of the queue.
fn of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

/// Doubling pauses: out of descriptors (EMFILE, ENFILE) or memory, the socket stays readable, and
/// asking again at once would burn a core without freeing anything.
#[derive(Debug)]
struct Pause {
    next: Duration,
}

impl Pause {
    fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }
}

/// The number of connections that may be open at a time where the program does not say: nine tenths of the
/// files this process may open (so that it can still open some), and 65,536 at most.
pub(crate) fn default_limit() -> usize {
    const MOST: usize = 65_536;
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let files = getrlimit(Resource::Nofile).current;
        let files = files.and_then(|files| usize::try_from(files).ok());
        files.map_or(MOST, |files| (files / 10 * 9).clamp(1, MOST))
    }
    #[cfg(not(unix))]
    MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_start_over() {
        let mut pause = Pause::new();
        let millis: Vec<_> = (0..9).map(|_| pause.next().as_millis()).collect();
        assert_eq!(millis, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        pause.reset();
        assert_eq!(pause.next().as_millis(), 10);
    }
}
