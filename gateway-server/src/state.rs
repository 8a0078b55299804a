//! What a server is doing, for a program or an operator who asks.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

#[cfg(any(feature = "http", feature = "_wire"))]
use gateway_core::adapt::ThreadLoad;
use gateway_core::{Application, Environ, Error, IntoReply, Reply, Response};

/// Counts what servers do. Made before they serve, and read at any time.
///
/// ```no_run
/// # use gateway_core::{Application, Body};
/// # use gateway_server::ServerState;
/// # use gateway_server::http::Server;
/// # async fn example() -> std::io::Result<()> {
/// let state = ServerState::new();
/// let app = axum::Router::new()
///     // For the operator: not to be reached from outside.
///     .route_service("/metrics", state.metrics().into_inline_service().answer_errors());
/// Server::bind("127.0.0.1:8080")?.with_state(&state).serve(app).await?;
/// println!("{} requests, {} connections cut", state.counts().requests_total, state.counts().cut_total);
/// # Ok(())
/// # }
/// ```
///
/// Clones count the same. Several servers may have one in common, and it has the sums. It costs a server four atomic
/// additions a request; a server without one does not count.
#[derive(Clone, Debug, Default)]
pub struct ServerState {
    cells: Arc<Cells>,
}

#[derive(Debug, Default)]
struct Cells {
    accepted: AtomicU64,
    closed: AtomicU64,
    places: AtomicU64,
    refused_connections: AtomicU64,
    cut: AtomicU64,
    begun: AtomicU64,
    ended: AtomicU64,
    waited: AtomicU64,
    waited_enough: AtomicU64,
    refused_requests: AtomicU64,
}

/// What a [`ServerState`] has counted: now, and (`_total`) since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that are open, those in a handshake among them. Each holds one of the places.
    pub connections: u64,
    /// The places there are: `max_connections` of the servers that serve. What finds none waits in the kernel's queue.
    pub places: u64,
    /// Connections that were accepted, those that were then refused among them.
    pub connections_total: u64,
    /// Connections that were closed at once, since their client had as many as one client may have.
    pub connections_refused_total: u64,
    /// Connections that were ended in the middle of a request: their client took nothing for too long, or a shutdown came
    /// to its deadline.
    pub cut_total: u64,
    /// Requests that are not answered to the end: the body has more to give. What it gave may still be on its way.
    pub requests: u64,
    /// Of these, the ones that queue: the service is not ready to take them, as where all threads of a pool are busy.
    pub requests_waiting: u64,
    /// Requests that came.
    pub requests_total: u64,
    /// Requests that were answered with 429, since their client had begun too many.
    pub requests_refused_total: u64,
}

impl ServerState {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is counted by now. The numbers are each right, and not all of one moment.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let cells = &*self.cells;
        // What ends first: it may have begun by the time that is read, and not the other way round.
        let present = |ended: &AtomicU64, begun: &AtomicU64| {
            let ended = ended.load(Relaxed);
            begun.load(Relaxed).saturating_sub(ended)
        };
        Counts {
            connections: present(&cells.closed, &cells.accepted),
            places: cells.places.load(Relaxed),
            connections_total: cells.accepted.load(Relaxed),
            connections_refused_total: cells.refused_connections.load(Relaxed),
            cut_total: cells.cut.load(Relaxed),
            requests: present(&cells.ended, &cells.begun),
            requests_waiting: present(&cells.waited_enough, &cells.waited),
            requests_total: cells.begun.load(Relaxed),
            requests_refused_total: cells.refused_requests.load(Relaxed),
        }
    }

    /// An application that answers with the [`counts`](Self::counts) as text for Prometheus, whatever the path. It never
    /// blocks: `into_inline_service()` suits it.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics {
            state: self.clone(),
            #[cfg(any(feature = "http", feature = "_wire"))]
            threads: None,
        }
    }

    #[cfg(feature = "fairness")]
    pub(crate) fn request_refused(&self) {
        self.cells.refused_requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn connection_accepted(&self) -> CountedConnection {
        self.cells.accepted.fetch_add(1, Relaxed);
        CountedConnection {
            state: self.clone(),
        }
    }

    #[cfg(feature = "fairness")]
    pub(crate) fn connection_refused(&self) {
        self.cells.refused_connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn connection_cut(&self) {
        self.cells.cut.fetch_add(1, Relaxed);
    }

    /// Counts `places` until the guard is dropped.
    pub(crate) fn open_places(&self, places: usize) -> OpenPlaces {
        self.cells.places.fetch_add(places as u64, Relaxed);
        OpenPlaces {
            state: self.clone(),
            places: places as u64,
        }
    }

    pub(crate) fn request_began(&self) -> CountedRequest {
        self.cells.begun.fetch_add(1, Relaxed);
        CountedRequest {
            state: self.clone(),
            waits: false,
        }
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub(crate) struct CountedConnection {
    state: ServerState,
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.state.cells.closed.fetch_add(1, Relaxed);
    }
}

/// The places of a server that serves.
#[derive(Debug)]
pub(crate) struct OpenPlaces {
    state: ServerState,
    places: u64,
}

impl Drop for OpenPlaces {
    fn drop(&mut self) {
        self.state.cells.places.fetch_sub(self.places, Relaxed);
    }
}

/// A request that is not answered to the end.
#[derive(Debug)]
pub(crate) struct CountedRequest {
    state: ServerState,
    waits: bool,
}

impl CountedRequest {
    /// Whether it waits for the service to be ready.
    pub(crate) fn waits(&mut self, waits: bool) {
        if waits != self.waits {
            self.waits = waits;
            let cells = &self.state.cells;
            let cell = if waits {
                &cells.waited
            } else {
                &cells.waited_enough
            };
            cell.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for CountedRequest {
    fn drop(&mut self) {
        self.waits(false);
        self.state.cells.ended.fetch_add(1, Relaxed);
    }
}

impl Counts {
    fn write(self, out: &mut String) -> fmt::Result {
        let metrics = [
            (
                "connections",
                "gauge",
                "Connections that are open.",
                self.connections,
            ),
            (
                "places",
                "gauge",
                "Connections that may be open at a time.",
                self.places,
            ),
            (
                "connections_total",
                "counter",
                "Connections accepted.",
                self.connections_total,
            ),
            (
                "connections_refused_total",
                "counter",
                "Connections closed at once, as their client had too many.",
                self.connections_refused_total,
            ),
            (
                "connections_cut_total",
                "counter",
                "Connections ended in the middle of a request.",
                self.cut_total,
            ),
            (
                "requests",
                "gauge",
                "Requests not answered to the end.",
                self.requests,
            ),
            (
                "requests_waiting",
                "gauge",
                "Requests that the service is not ready to take.",
                self.requests_waiting,
            ),
            (
                "requests_total",
                "counter",
                "Requests that came.",
                self.requests_total,
            ),
            (
                "requests_refused_total",
                "counter",
                "Requests answered with 429, as their client had begun too many.",
                self.requests_refused_total,
            ),
        ];
        write_metrics(out, &metrics)
    }
}

/// As `text/plain; version=0.0.4`: name, type, help and value of each.
fn write_metrics(out: &mut String, metrics: &[(&str, &str, &str, u64)]) -> fmt::Result {
    for (name, kind, help, value) in metrics {
        writeln!(out, "# HELP gateway_server_{name} {help}")?;
        writeln!(out, "# TYPE gateway_server_{name} {kind}")?;
        writeln!(out, "gateway_server_{name} {value}")?;
    }
    Ok(())
}

#[cfg(any(feature = "http", feature = "_wire"))]
fn write_load(load: ThreadLoad, out: &mut String) -> fmt::Result {
    let metrics = [
        ("threads", "Threads that there may be.", load.threads),
        (
            "threads_running",
            "Threads that run the application.",
            load.running,
        ),
        (
            "threads_queue",
            "Calls that wait for a thread.",
            load.queued,
        ),
        (
            "threads_held",
            "Places held by calls that may wait for a slow client.",
            load.held,
        ),
        (
            "threads_held_queue",
            "Calls that wait for such a place.",
            load.waiting,
        ),
    ];
    let metrics = metrics.map(|(name, help, value)| (name, "gauge", help, value as u64));
    write_metrics(out, &metrics)
}

/// The application of [`ServerState::metrics`].
#[derive(Clone)]
pub struct Metrics {
    state: ServerState,
    #[cfg(any(feature = "http", feature = "_wire"))]
    threads: Option<Arc<dyn Fn() -> ThreadLoad + Send + Sync>>,
}

#[cfg(any(feature = "http", feature = "_wire"))]
impl Metrics {
    /// Tells what the threads of a blocking application do, too: its queue, and the places that slow clients hold. `load` is
    /// [`BlockingService::load`](gateway_core::adapt::BlockingService::load) of a clone.
    ///
    /// ```
    /// # use gateway_core::{Application, application};
    /// # use gateway_server::ServerState;
    /// let service = application(|_| "hello\n").into_service();
    /// let watched = service.clone();
    /// let metrics = ServerState::new().metrics().with_threads(move || watched.load());
    /// # let _ = (service, metrics);
    /// ```
    #[must_use]
    pub fn with_threads(mut self, load: impl Fn() -> ThreadLoad + Send + Sync + 'static) -> Self {
        self.threads = Some(Arc::new(load));
        self
    }
}

impl Metrics {
    fn write(&self, out: &mut String) -> fmt::Result {
        self.state.counts().write(out)?;
        #[cfg(any(feature = "http", feature = "_wire"))]
        if let Some(load) = &self.threads {
            write_load(load(), out)?;
        }
        Ok(())
    }
}

impl Application for Metrics {
    fn respond(&self, _: &mut Environ) -> Result<Response, Error> {
        let mut text = String::new();
        self.write(&mut text)?;
        let reply = Reply::text(text)
            .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            .header("cache-control", "no-store");
        reply.into_reply()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
