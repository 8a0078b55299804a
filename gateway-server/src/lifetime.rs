//! The life of a server, whatever it speaks: from its first connection to its outcome.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use gateway_core::request::Addr;
use tokio::sync::Semaphore;
use tracing::info;

#[cfg(feature = "fairness")]
use crate::fairness::ConnectionBounds;
use crate::listen::accept::{self, Admission, Door};
use crate::log::operator;
use crate::shutdown::{Outcome, Plan, Shutdown, Signals};
use crate::{Listener, ServerState};

/// How many connections a server takes, and when and how it stops.
#[derive(Debug, Default)]
pub(crate) struct Lifetime {
    /// At least 1. `None`: [`accept::default_limit`].
    most_connections: Option<usize>,
    pub(crate) plan: Plan,
    stop: Stop,
    pub(crate) state: Option<ServerState>,
    #[cfg(feature = "fairness")]
    pub(crate) bounds: ConnectionBounds,
    /// Heard since before the server was told to serve.
    pub(crate) signals: Option<Signals>,
}

#[derive(Default)]
enum Stop {
    #[default]
    Signals,
    // Boxed once per server, so that the future is no part of its type.
    When(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Lifetime {
    pub(crate) fn limit_connections(&mut self, most: usize) {
        self.most_connections = Some(most.max(1));
    }

    pub(crate) fn most_connections(&self) -> usize {
        let most = self.most_connections.unwrap_or_else(accept::default_limit);
        most.min(Semaphore::MAX_PERMITS)
    }

    pub(crate) fn stop_when(&mut self, signal: impl Future<Output = ()> + Send + 'static) {
        self.stop = Stop::When(Box::pin(signal));
    }

    /// Accepts from `listener`, runs each connection with `serve`, and shuts down when it is time.
    pub(crate) async fn run<L, F>(
        self,
        mut listener: L,
        protocol: &'static str,
        serve: impl FnMut(L::Handshake, Admission) -> F,
    ) -> io::Result<Outcome>
    where
        L: Listener,
        F: Future<Output = ()> + Send + 'static,
    {
        let shutdown = Shutdown::new();
        let places = self.most_connections();
        listener.most_connections(places);
        let _open = self.state.as_ref().map(|state| state.open_places(places));
        let door = Arc::new(Door {
            limit: Arc::new(Semaphore::new(places)),
            state: self.state,
            #[cfg(feature = "fairness")]
            bounds: Arc::new(self.bounds),
        });
        let (mut signals, when) = match self.stop {
            Stop::Signals => (Some(self.signals.map_or_else(Signals::listen, Ok)?), None),
            Stop::When(when) => (None, Some(when)),
        };
        let stopped = async {
            match (when, signals.as_mut()) {
                (Some(when), _) => when.await,
                (None, Some(signals)) => {
                    let signal = signals.next().await;
                    info!(%signal, protocol, "shutting down");
                }
                (None, None) => std::future::pending().await,
            }
        };
        accept::accept(&mut listener, &door, &shutdown, stopped, serve).await;
        drop(listener);
        let hurry = async {
            match signals.as_mut() {
                Some(signals) => signals.next().await,
                None => std::future::pending().await,
            }
        };
        let outcome = shutdown.run(self.plan, hurry).await;
        if outcome.is_clean() {
            info!(%outcome, protocol, "stopped");
        } else {
            operator::warn(&format!("{protocol} server stopped: {outcome}"));
        }
        Ok(outcome)
    }
}

/// The TCP address that `listener` listens on.
pub(crate) fn tcp_addr(listener: &impl Listener) -> io::Result<SocketAddr> {
    match listener.local_addr()? {
        Addr::Ip(addr) => Ok(addr),
        other => Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            format!("the server listens on {other}, which is no TCP address"),
        )),
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signals => "at a signal",
            Self::When(_) => "when told",
        })
    }
}
