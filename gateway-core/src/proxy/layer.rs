use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use ipnet::IpNet;
use tower_layer::Layer;
use tower_service::Service;

use super::resolve::{Family, Word, resolve};
use super::trust::Trust;
use crate::RequestExt;
use crate::inner::inner_accessors;
use crate::paths::ScriptName;
use crate::request::{Arrival, ConnInfo};

/// Takes the word of named proxies. See the [module](crate::proxy) for what is believed and what is not.
///
/// It belongs outside everything that reads [`ConnInfo`] or links; over a
/// `gateway_server::http::Server` that means: outermost.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProxyLayer {
    config: Arc<Config>,
}

#[derive(Clone, Debug)]
struct Config {
    family: Family,
    trust: Trust,
}

impl ProxyLayer {
    /// Believes X-Forwarded-For, -Proto, -Host, -Port and -Prefix of the proxies that are yet to
    /// be named. Each of them has to be set (or deleted) by your proxy: what it passes on as it
    /// came is the client's word.
    pub fn x_forwarded() -> Self {
        Self::of(Family::XForwarded)
    }

    /// Believes Forwarded (RFC 7239) of the proxies that are yet to be named.
    pub fn forwarded() -> Self {
        Self::of(Family::Forwarded)
    }

    fn of(family: Family) -> Self {
        Self {
            config: Arc::new(Config {
                family,
                trust: Trust::default(),
            }),
        }
    }

    /// Trusts the proxies of this net, such as `10.0.0.0/8`; `127.0.0.1/32` is one proxy. May be called
    /// more than once. Default: none.
    pub fn trust_peers(mut self, net: IpNet) -> Self {
        Arc::make_mut(&mut self.config).trust.net(net);
        self
    }

    /// Trusts every peer that connects to our Unix socket at `path` (its permissions say who can),
    /// or from a socket of that name. May be called more than once. Default: none.
    pub fn trust_unix(mut self, path: impl Into<PathBuf>) -> Self {
        Arc::make_mut(&mut self.config).trust.socket(path.into());
        self
    }
}

impl<S> Layer<S> for ProxyLayer {
    type Service = Proxy<S>;

    fn layer(&self, inner: S) -> Proxy<S> {
        Proxy {
            inner,
            config: Arc::clone(&self.config),
        }
    }
}

/// The service of [`ProxyLayer`].
#[derive(Clone, Debug)]
pub struct Proxy<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> Proxy<S> {
    inner_accessors!(inner);
}

impl<S, B> Service<Request<B>> for Proxy<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.config.restore_client(&mut request);
        self.inner.call(request)
    }
}

impl Config {
    /// Makes `request` the one that the client sent to the outermost trusted proxy.
    fn restore_client<B>(&self, request: &mut Request<B>) {
        let conn = request.conn().cloned();
        let is_trusted = conn.as_ref().is_some_and(|conn| self.trust.has_peer(conn));
        let word = is_trusted.then(|| resolve(self.family, &self.trust, request.headers()));
        let claimed = strip(request.headers_mut());
        match (word, conn) {
            (Some(word), Some(conn)) => believe(request, conn, word),
            (None, Some(conn)) if claimed => {
                // Perhaps through an unnamed proxy, so the peer must not count as the client's
                // own machine.
                let peer = conn.peer().clone();
                arrive(request, |arrival| {
                    arrival.with_conn(conn.on_behalf_of(peer))
                });
            }
            _ => {}
        }
    }
}

fn believe<B>(request: &mut Request<B>, mut conn: ConnInfo, word: Word) {
    if let Some(client) = word.client {
        conn = conn.on_behalf_of(client);
    }
    if let Some(scheme) = word.scheme {
        conn = conn.with_scheme(scheme);
    }
    if let Some(host) = word.host {
        set_host(request, host);
    }
    let below = word.prefix.and_then(|prefix| {
        let arrival = request.extensions().get::<Arrival>();
        let recorded = arrival.and_then(Arrival::script_name);
        // What was recorded is the path that the proxy asked for.
        let below = match recorded {
            Some(recorded) => ScriptName::join(&prefix, recorded.client_path()),
            None => ScriptName::below(&prefix, request.uri()),
        };
        below.ok().filter(|_| !prefix.is_empty())
    });
    arrive(request, |arrival| {
        let arrival = arrival.with_conn(conn);
        match below {
            Some(script_name) => arrival.with_script_name(script_name),
            None => arrival,
        }
    });
}

fn arrive<B>(request: &mut Request<B>, change: impl FnOnce(Arrival) -> Arrival) {
    let extensions = request.extensions_mut();
    match extensions.get_mut::<Arrival>() {
        Some(arrival) => *arrival = change(mem::take(arrival)),
        None => {
            extensions.insert(change(Arrival::default()));
        }
    }
}

/// RFC 9112 section 3.2.2: where the target names a host, Host has to name the same.
fn set_host<B>(request: &mut Request<B>, host: Authority) {
    if let Ok(value) = HeaderValue::from_str(host.as_str()) {
        request.headers_mut().insert(header::HOST, value);
    }
    if request.uri().authority().is_some() {
        let mut parts = request.uri().clone().into_parts();
        parts.authority = Some(host);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

/// Takes out every field that claims something about the client. Whether there was one.
fn strip(headers: &mut HeaderMap) -> bool {
    // One pass over the names; nearly always there is nothing to remove.
    let claims: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_claim(name))
        .cloned()
        .collect();
    for name in &claims {
        headers.remove(name);
    }
    !claims.is_empty()
}

/// The two families, and what single makes of proxies add in the same sense.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "forwarded"
        || name.starts_with("x-forwarded")
        || matches!(
            name,
            "x-real-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-original-forwarded-for"
                | "true-client-ip"
                | "cf-connecting-ip"
                | "fastly-client-ip"
        )
}
