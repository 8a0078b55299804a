//! What the user configures.

use std::{error::Error, fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderName, StatusCode, request::Parts};
use ipnet::IpNet;
use tower_layer::Layer;

use crate::{
    Exceptions, RecentFailures, Report,
    config::Config,
    recent::kept::Kept,
    render::page::{Page, Rendered},
    request::gate::Details,
};

/// Turns panics and errors of the services below it into responses and log records.
///
/// [`new`](Self::new) is the safe form for production. See the [crate's front page](crate).
///
/// ```
/// use middleware_exceptions::ExceptionsLayer;
///
/// let layer = ExceptionsLayer::new()
///     .development()
///     .on_report(|report| println!("{} {}", report.id(), report.message()));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct ExceptionsLayer {
    config: Arc<Config>,
}

impl ExceptionsLayer {
    /// The form for production: every failure is answered with a fixed text and an error id; the
    /// log has everything under that id.
    ///
    /// Installs the [panic hook](panic_capture::install), once per process and chained to the one
    /// that is there: build the layer after color-eyre and its like.
    #[must_use]
    pub fn new() -> Self {
        panic_capture::install();
        crate::failure::spans::install();
        crate::frames::program::note_builder();
        warn_of_abort();
        Self {
            config: Arc::default(),
        }
    }

    /// Shows details to the developer at this machine.
    ///
    /// Only in builds with debug assertions, and by [`gateway_core::developer`]: to a loopback peer under the user who
    /// runs this program (on Linux), that asks for a loopback Host over HTTP/1.1 or 2, without any header that a
    /// proxy adds, and for no page of another site. All others get the text of production and, in the body, the
    /// reason and the line that mends it. Off by default.
    ///
    /// Where nothing names the peer, as below plain `axum::serve`, Linux says by the sockets of this process whether all who
    /// can ask are at this machine. That is looked up for a failure that is shown, and not for each request.
    ///
    /// A proxy that adds no header and runs as the same user is not seen.
    #[must_use]
    pub fn development(self) -> Self {
        crate::pending::ready::warm();
        self.with(|config| match &mut config.gate.details {
            details @ Details::Off => *details = Details::Developer { in_release: false },
            Details::Developer { .. } | Details::If(_) => {}
        })
    }

    /// As [`development`](Self::development), in release builds as well.
    #[must_use]
    pub fn development_in_release(self) -> Self {
        crate::pending::ready::warm();
        self.with(|config| match &mut config.gate.details {
            details @ (Details::Off | Details::Developer { .. }) => {
                *details = Details::Developer { in_release: true };
            }
            Details::If(_) => {}
        })
    }

    /// With [`development`](Self::development): shows details to these peers as well, whatever user holds their end
    /// of the connection. They may ask for any address as Host (a telephone does), but not for a name other
    /// than localhost. May be called more than once.
    #[must_use]
    pub fn trust_peers(self, net: IpNet) -> Self {
        self.with(|config| config.gate.peers.push(net))
    }

    /// With [`development`](Self::development): shows details to these users of this machine as well, by number. May be
    /// called more than once.
    ///
    /// On Linux the client's end of a loopback connection has to belong to the user who runs this program, or to one of these:
    /// a container's root with a browser of user 1000 in front, a proxy that is the developer's own. Users of
    /// another namespace, which are all shown as 65534, cannot be trusted; elsewhere it has no effect.
    #[must_use]
    pub fn trust_users(self, users: impl IntoIterator<Item = u32>) -> Self {
        self.with(|config| {
            let known = config.gate.users.iter().copied();
            config.gate.users = known.chain(users).collect();
        })
    }

    /// Shows details to the clients that the closure accepts, in every build, in place of all that
    /// [`development`](Self::development) asks for.
    ///
    /// Behind a proxy every peer is the proxy: ask for a header that the proxy sets and
    /// that clients cannot.
    #[must_use]
    pub fn show_details_if(self, allowed: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|config| config.gate.details = Details::If(Arc::new(allowed)))
    }

    /// Where [`development`](Self::development) finds the peer. Default: the `gateway_core::request::ConnInfo`
    /// among the request's extensions, which `FromAxumLayer` (feature `axum`) makes of axum's `ConnectInfo<SocketAddr>`.
    ///
    /// An address has no port. On Linux a loopback peer whose port no `ConnInfo` tells is shown nothing, because
    /// its end of the connection cannot be found; better put a `ConnInfo` into the extensions, or
    /// [trust](Self::trust_peers) the address.
    #[must_use]
    pub fn peer_from(
        self,
        peer: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.gate.peer = Some(Arc::new(peer)))
    }

    /// Calls this with every failure, before it is logged and answered. May be called more than once.
    ///
    /// Runs on the task of the request: keep it short. Its own panics are contained.
    #[must_use]
    pub fn on_report(self, observe: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.with(|config| config.observers.push(Arc::new(observe)))
    }

    /// Answers errors that are an `E`, or have one among their causes, with this status.
    ///
    /// The first that fits decides; before all of them a `gateway_core::Error` decides for itself, unless its status is
    /// 500. Only 5xx are failures: others are answered with their status and neither logged nor reported.
    #[must_use]
    pub fn map_status<E: Error + 'static>(
        self,
        status: impl Fn(&E) -> StatusCode + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| {
            config
                .statuses
                .push(Arc::new(move |error| error.downcast_ref().map(&status)));
        })
    }

    /// Writes bodies with this. `None`, or a panic, and ours is written.
    ///
    /// The page has a [`report`](Page::report) only where details are shown.
    #[must_use]
    pub fn render_with(
        self,
        render: impl Fn(&Page<'_>) -> Option<Rendered> + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.renderer.own = Some(Arc::new(render)))
    }

    /// Sends the error id in this header as well, with every failure: a client of HEAD gets it, and one that
    /// does not read bodies. Default: none.
    ///
    /// ```
    /// use http::HeaderName;
    /// use middleware_exceptions::ExceptionsLayer;
    ///
    /// let layer = ExceptionsLayer::new().id_header(HeaderName::from_static("x-error-id"));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn id_header(self, name: HeaderName) -> Self {
        self.with(|config| config.id_header = Some(name))
    }

    /// Where details are shown and a `text/plain` body fails half way: appends the traceback to it. To no other
    /// type: what an error says would be markup in HTML. Never to one with a `Content-Length` or a `Content-Encoding`. Off by default.
    #[must_use]
    pub fn append_to_text_bodies(self) -> Self {
        self.with(|config| config.append = true)
    }

    /// How long a body that failed half way is pending after its last piece, so that the pieces are sent
    /// first. Default: [`FLUSH_TIME`](gateway_core::flush::FLUSH_TIME), 250 ms.
    #[must_use]
    pub fn flush_time(self, time: Duration) -> Self {
        self.with(|config| config.flush = time)
    }

    /// Keeps the last `count` failures in memory, at most 20 KiB of text each, for [`recent_failures`](Self::recent_failures).
    /// Default: none.
    #[must_use]
    pub fn keep_recent(self, count: usize) -> Self {
        self.with(|config| config.recent = Some(Arc::new(Kept::new(count))))
    }

    /// The failures that this layer and its clones have [kept](Self::keep_recent), grouped by place, as text or JSON: a service to
    /// mount where the program likes. It shows them to those who may see details, by the rule of this layer.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use middleware_exceptions::ExceptionsLayer;
    ///
    /// let exceptions = ExceptionsLayer::new().development().keep_recent(100);
    /// let app: Router = Router::new()
    ///     .route("/", get(async || "ok"))
    ///     .route_service("/failures", exceptions.recent_failures())
    ///     .layer(exceptions);
    /// ```
    #[must_use]
    pub fn recent_failures(&self) -> RecentFailures {
        RecentFailures::new(Arc::clone(&self.config))
    }

    /// Makes places in the HTML page links that open an editor: a URL with `{path}`, `{line}` and `{column}`,
    /// such as `vscode://file/{path}:{line}:{column}`. An empty one: no links.
    ///
    /// Default: those of the editor in whose terminal the program was started, or that `VISUAL` or `EDITOR` names, if it is one
    /// that opens URLs (VS Code and its kin, Zed, TextMate, MacVim); else, over SSH and under WSL, none.
    #[must_use]
    pub fn editor(self, url: impl Into<Arc<str>>) -> Self {
        let url = url.into();
        self.with(|config| config.renderer.editor = Some(url))
    }

    /// Files below this folder are yours: their lines are shown, their paths relative to it.
    /// Default: the workspace a file is in (the folder with a `Cargo.lock`). For the whole process.
    #[must_use]
    pub fn project_root(self, root: impl Into<PathBuf>) -> Self {
        crate::frames::source::set_root(root.into());
        self
    }

    /// Leaves out the message that the hook before ours (the default one) prints on stderr for
    /// panics that are caught here: the log has them. Printed by default. For the whole process.
    #[must_use]
    pub fn silence_default_hook(self) -> Self {
        panic_capture::silence_guarded(true);
        self
    }

    #[cfg(test)]
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

fn warn_of_abort() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if cfg!(panic = "abort") {
        ONCE.call_once(|| {
            tracing::warn!(
                target: "middleware_exceptions",
                "built with panic = \"abort\": panics end the process, only errors are caught",
            );
        });
    }
}

impl Exceptions<()> {
    /// As [`ExceptionsLayer::new`].
    #[must_use]
    pub fn layer() -> ExceptionsLayer {
        ExceptionsLayer::new()
    }
}

impl Default for ExceptionsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ExceptionsLayer {
    type Service = Exceptions<S>;

    fn layer(&self, inner: S) -> Exceptions<S> {
        Exceptions::new(inner, Arc::clone(&self.config))
    }
}

impl fmt::Debug for ExceptionsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExceptionsLayer")
            .field("details", &self.config.gate.details)
            .field("trusted_peers", &self.config.gate.peers)
            .field("trusted_users", &self.config.gate.users)
            .field("observers", &self.config.observers.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Developer { in_release: false } => "for the developer, in debug builds",
            Self::Developer { in_release: true } => "for the developer",
            Self::If(_) => "if the closure says so",
        })
    }
}
