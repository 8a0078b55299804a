use std::fmt;
use std::sync::Arc;

use http::{Extensions, Uri};

use crate::paths::script_name::path_of;
use crate::paths::{ScriptName, Split};
use crate::request::ConnInfo;

/// How a request arrived: over which connection, at which path, through which gateway.
///
/// A server puts one of these into the request's extensions; applications read it through
/// [`RequestExt`](crate::RequestExt) and [`Environ`](crate::Environ). It is one extension and not
/// three because the first entry of `http::Extensions` costs three allocations and each later one
/// another.
///
/// ```
/// use gateway_core::request::{Addr, Arrival, ConnInfo};
/// use gateway_core::RequestExt;
///
/// let mut request = http::Request::get("/wiki/Page").body(()).unwrap();
/// let conn = ConnInfo::new("192.0.2.7:4242".parse::<std::net::SocketAddr>().unwrap(), Addr::Unknown);
/// let arrival = Arrival::over(conn).with_client_path(request.uri());
/// request.extensions_mut().insert(arrival);
/// assert_eq!(request.conn().unwrap().peer().to_string(), "192.0.2.7:4242");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    conn: Option<ConnInfo>,
    script_name: Option<ScriptName>,
    // Only CGI, FastCGI and SCGI have these, so HTTP pays one word for them.
    gateway: Option<Arc<GatewayFacts>>,
    is_watched: bool,
    // Called late: another framework routes only after it has called its outermost layer.
    nest: Option<fn(&Extensions) -> Option<Nest<'_>>>,
}

impl Arrival {
    /// A request over `conn`.
    #[must_use]
    pub fn over(conn: ConnInfo) -> Self {
        Self {
            conn: Some(conn),
            ..Self::default()
        }
    }

    /// With the path of `uri` as the one that the client asked for.
    #[must_use]
    pub fn with_client_path(self, uri: &Uri) -> Self {
        self.with_script_name(ScriptName::record(uri))
    }

    /// With a recorded path that a gateway made.
    #[must_use]
    pub fn with_script_name(mut self, script_name: ScriptName) -> Self {
        self.script_name = Some(script_name);
        self
    }

    /// With another connection in place of the one before.
    #[must_use]
    pub fn with_conn(mut self, conn: ConnInfo) -> Self {
        self.conn = Some(conn);
        self
    }

    /// With what a CGI-like gateway says besides the request itself.
    #[must_use]
    pub fn with_gateway(mut self, facts: Arc<GatewayFacts>) -> Self {
        self.gateway = Some(facts);
        self
    }

    /// States that the gateway drops a response when its client stops reading.
    ///
    /// A gateway sees what its socket has acknowledged; a body sees only when the next piece is
    /// taken, and to it a client of one or two KB/s stands still, since the kernel's buffers are
    /// filled again in steps of some hundred KB. So a [`from_writer`](crate::Body::from_writer)
    /// below [`into_service`](crate::Application::into_service) leaves it to such a gateway to give
    /// up, unless another request waits for its thread.
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.is_watched = true;
        self
    }

    /// Whether the gateway drops a response when its client stops reading.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// The connection.
    #[must_use]
    pub fn conn(&self) -> Option<&ConnInfo> {
        self.conn.as_ref()
    }

    /// The recorded path.
    #[must_use]
    pub fn script_name(&self) -> Option<&ScriptName> {
        self.script_name.as_ref()
    }

    /// Whether a path is recorded, and is not stale where `uri` is the present one.
    fn knows_path(&self, uri: &Uri) -> bool {
        let recorded = self.script_name.as_ref();
        recorded.is_some_and(|recorded| recorded.split(uri.path()).is_some())
    }

    /// What a CGI-like gateway said.
    #[must_use]
    pub fn gateway(&self) -> Option<&GatewayFacts> {
        self.gateway.as_deref()
    }
}

/// The nest of another framework, such as axum's `nest`, that a request went through.
///
/// Known only where the program has a layer that tells it, as `gateway_core::axum::FromAxumLayer` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Nest<'a> {
    /// The patterns of all nests around the service, joined, as the framework writes them: `/u/{name}`.
    pub pattern: &'a str,
    /// Whether none of the innermost nest's routes matched, so that this is its fallback.
    pub is_fallback: bool,
}

impl<'a> Nest<'a> {
    /// The nest that a request with these extensions is below.
    #[must_use]
    pub fn of(extensions: &'a Extensions) -> Option<Self> {
        let nest = arrival(extensions)?.nest?;
        nest(extensions)
    }

    /// What a nest took off the path of a request with these extensions and the present `path`,
    /// where nothing has recorded the path before it: a layer is missing, and SCRIPT_NAME lacks the
    /// prefix. For warnings; known only with the feature `axum`.
    #[must_use]
    pub fn untold(extensions: &'a Extensions, path: &str) -> Option<&'a str> {
        let recorded = arrival(extensions).and_then(|arrival| arrival.script_name.as_ref());
        if recorded.is_some_and(|recorded| recorded.split(path).is_some()) {
            return None;
        }
        let whole = original_path(extensions)?;
        let taken = whole.strip_suffix(path);
        // axum shows the place of a nest as `/`.
        let taken = taken.or_else(|| (path == "/").then_some(whole));
        taken.filter(|taken| !taken.is_empty() && *taken != "/")
    }
}

#[cfg(feature = "axum")]
fn original_path(extensions: &Extensions) -> Option<&str> {
    let original = extensions.get::<axum::extract::OriginalUri>()?;
    Some(original.0.path())
}

#[cfg(not(feature = "axum"))]
fn original_path(_: &Extensions) -> Option<&str> {
    None
}

/// Variables and the errors stream of a gateway that speaks CGI, FastCGI or SCGI.
pub struct GatewayFacts {
    vars: Box<dyn GatewayVars>,
    errors: Option<Box<dyn ErrorSink>>,
}

/// Looks up a gateway's variables on demand. Most requests need none, so a gateway need not parse
/// them in advance.
pub trait GatewayVars: Send + Sync + 'static {
    /// The variable `name`, if the gateway sent it.
    fn var(&self, name: &str) -> Option<&[u8]>;

    /// All variables in the order they came.
    fn vars(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_>;
}

/// The first of a name wins.
impl GatewayVars for Vec<(String, Vec<u8>)> {
    fn var(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_slice())
    }

    fn vars(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        Box::new(self.iter().map(|(name, value)| (&**name, &**value)))
    }
}

impl Default for GatewayFacts {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl GatewayFacts {
    /// The variables the gateway sent that are not the request itself, such as REMOTE_USER,
    /// SERVER_SOFTWARE or DOCUMENT_ROOT.
    #[must_use]
    pub fn new(vars: impl GatewayVars) -> Self {
        Self {
            vars: Box::new(vars),
            errors: None,
        }
    }

    /// With a stream for error text, such as FastCGI's FCGI_STDERR. Default: the process's stderr.
    #[must_use]
    pub fn with_errors(mut self, sink: impl ErrorSink) -> Self {
        self.errors = Some(Box::new(sink));
        self
    }

    /// The variable `name`, if the gateway sent it.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&[u8]> {
        self.vars.var(name)
    }

    /// All variables in the order they came.
    pub fn vars(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.vars.vars()
    }

    pub(crate) fn errors(&self) -> Option<&dyn ErrorSink> {
        self.errors.as_deref()
    }
}

impl fmt::Debug for GatewayFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets (HTTP_AUTHORIZATION is not here, but a gateway may send anything).
        let names = self.vars().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// Where a gateway takes error text: PEP 3333's `wsgi.errors`.
pub trait ErrorSink: Send + Sync + 'static {
    /// Takes all of `text`. May block; must not panic. What cannot be written is lost.
    fn write(&self, text: &[u8]);
}

/// The arrival recorded among `extensions`.
pub(crate) fn arrival(extensions: &Extensions) -> Option<&Arrival> {
    extensions.get()
}

/// The connection: from the arrival, or alone, as a server that is not ours may have put it.
pub(crate) fn conn(extensions: &Extensions) -> Option<&ConnInfo> {
    arrival(extensions)
        .and_then(Arrival::conn)
        .or_else(|| extensions.get())
}

/// Records the path of `uri` unless one is recorded that is not stale.
pub(crate) fn record_path(extensions: &mut Extensions, uri: &Uri) {
    if let Some(arrival) = extensions.get_mut::<Arrival>() {
        if !arrival.knows_path(uri) {
            arrival.script_name = Some(ScriptName::record(uri));
        }
        return;
    }
    extensions.insert(Arrival::default().with_client_path(uri));
}

/// Records what another framework knows and we do not yet: the URI before its nests changed it, the
/// connection, and how to find out which nest a request went through.
#[cfg(feature = "axum")]
pub(crate) fn record_told(
    extensions: &mut Extensions,
    uri: &Uri,
    original: Option<&Uri>,
    conn: Option<ConnInfo>,
    nest: fn(&Extensions) -> Option<Nest<'_>>,
) {
    let conn = self::conn(extensions).cloned().or(conn);
    let mut arrival = extensions.remove::<Arrival>().unwrap_or_default();
    if !arrival.knows_path(uri) {
        let original = original.map(ScriptName::record);
        let original = original.filter(|original| original.split(uri.path()).is_some());
        let recorded = original.unwrap_or_else(|| ScriptName::record(uri));
        arrival.script_name = Some(recorded);
    }
    arrival.conn = conn;
    arrival.nest = Some(nest);
    extensions.insert(arrival);
}

/// SCRIPT_NAME and PATH_INFO of a request.
pub(crate) fn split<'a>(extensions: &'a Extensions, uri: &'a Uri) -> Split<'a> {
    let recorded = arrival(extensions).and_then(Arrival::script_name);
    let split = recorded.and_then(|recorded| recorded.split(uri.path()));
    split.unwrap_or_else(|| Split::unmounted(path_of(uri)))
}

/// The recorded path, or what stands for it where none was recorded.
pub(crate) fn script_name(extensions: &Extensions, uri: &Uri) -> ScriptName {
    arrival(extensions)
        .filter(|arrival| arrival.knows_path(uri))
        .and_then(|arrival| arrival.script_name.clone())
        .unwrap_or_else(|| ScriptName::record(uri))
}
