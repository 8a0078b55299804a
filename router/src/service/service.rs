//! The router as a tower service.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_core::RequestExt;
use gateway_core::developer::head_of;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::dispatch::{Dispatch, IncomingRequest, Target, dispatch};
use super::resolve::{self, Mount, RouteInfo, Shared};
use super::rule::{RouterWarning, ShadowedRule};
use super::shadow::shadowed;
use super::table::Table;
use super::url_args::UrlArgs;
use super::url_for;
use super::warning::warnings;
use super::{ResponseFuture, RouterBody};
use crate::error::UrlForError;
use crate::reverse::{ArgList, IntoArgs};

/// Routes requests to services by regular expressions over their paths.
///
/// `S` is what answers: an enum of yours, a function, one concrete service.
/// Nothing is boxed. As a tower service a router needs `S` to be one; with an
/// `S` that is a [`gateway_core::Application`], such as `fn(&mut Environ) -> Reply`,
/// it is an application itself. For services of many types there is
/// [`BoxRouter`](crate::BoxRouter).
///
/// ```
/// use gateway_core::{Application, Environ, Reply};
/// use router::{RequestUrlArgs, Router};
///
/// type View = fn(&mut Environ) -> Reply;
///
/// fn index(_: &mut Environ) -> Reply {
///     Reply::html("<a href=hello/>Hello</a>")
/// }
///
/// fn hello(environ: &mut Environ) -> Reply {
///     let subject = environ.url_args().and_then(|args| args.get(0)).unwrap_or("World");
///     Reply::text(format!("Hello {subject}!"))
/// }
///
/// let urls = Router::<View>::builder()
///     .get(r"^$", index)
///     .get(r"hello/?$", hello)
///     .get(r"hello/(.+)$", hello)
///     .build()?;
///
/// let reply = urls.respond(&mut Environ::builder().uri("/hello/J%C3%BCrgen").build()).unwrap();
/// assert_eq!(reply.into_body().into_bytes().unwrap(), "Hello Jürgen!");
/// # Ok::<(), router::BuildError>(())
/// ```
pub struct Router<S> {
    pub(crate) shared: Arc<Shared>,
    /// Of the routes, then of the mounts, then the fallbacks.
    pub(crate) endpoints: Arc<[S]>,
}

impl<S> Router<S> {
    pub(crate) fn new(shared: Arc<Shared>, endpoints: Arc<[S]>) -> Self {
        Self { shared, endpoints }
    }

    /// The path of a named route, were this router mounted nowhere. In a request
    /// [`UrlArgs::url_for`] knows where it is mounted.
    ///
    /// # Errors
    ///
    /// As [`UrlMap::url_for`](crate::UrlMap::url_for); and if the URL would lead elsewhere, as a
    /// mount takes its path, or if the route is limited to a host, see
    /// [`url_for_host`](Self::url_for_host).
    pub fn url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError> {
        self.url_for_section(0, name, &args.into_args())
    }

    /// [`url_for`](Self::url_for) for requests to this host.
    ///
    /// ```
    /// # use gateway_core::{Environ, Reply};
    /// # use router::{IntoPattern, Router};
    /// # fn show(_: &mut Environ) -> Reply { Reply::text("") }
    /// let urls = Router::builder()
    ///     .host(r"^admin\.", |routes| routes.get("^users$".named("users"), show))
    ///     .build()?;
    /// assert_eq!(urls.url_for_host("admin.example.com", "users", ())?, "/users");
    /// assert!(urls.url_for("users", ()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`url_for`](Self::url_for), and if the route is limited to another host.
    pub fn url_for_host(
        &self,
        host: &str,
        name: &str,
        args: impl IntoArgs,
    ) -> Result<String, UrlForError> {
        let (section, _) = self.shared.host_section(Some(host));
        self.url_for_section(section, name, &args.into_args())
    }

    fn url_for_section(
        &self,
        section: usize,
        name: &str,
        args: &ArgList,
    ) -> Result<String, UrlForError> {
        let path = url_for::path_for(&self.shared, section, name, args)?;
        url_for::behind(&self.shared.settings.external_prefix, &path)
    }

    /// All routes in order.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = RouterRoute<'_>> {
        let host = |info: &RouteInfo| self.hosts().nth(info.section.checked_sub(1)?);
        let routes = self.shared.routes.iter();
        routes.map(move |info| RouterRoute {
            host: host(info),
            info,
        })
    }

    /// The routes, mounts and hosts that no request reaches, all at once: a route wins for none of
    /// its methods on none of its hosts, because mounts, hosts and the routes in front of it take
    /// all its paths. Each is told with what takes its requests, and examples of them.
    ///
    /// ```
    /// # use gateway_core::{Environ, Reply};
    /// # use router::Router;
    /// # fn show(_: &mut Environ) -> Reply { Reply::text("") }
    /// let urls = Router::builder()
    ///     .mount("/static", show)
    ///     .get(r"^(\w+)$", show)
    ///     .get(r"^about$", show)
    ///     .post(r"^about$", show)
    ///     .get(r"^static/app\.js$", show)
    ///     .build()?;
    /// let told: Vec<String> = urls.shadowed().iter().map(ToString::to_string).collect();
    /// assert_eq!(told, [
    ///     r"`GET ^about$` never wins: `GET /about` goes to `GET ^(\w+)$`",
    ///     r"`GET ^static/app\.js$` never wins: `GET /static/app.js` goes to the mount `/static/`",
    /// ]);
    /// # Ok::<(), router::BuildError>(())
    /// ```
    ///
    /// In a build with debug assertions [`build`](super::RouterBuilder::build) logs each by
    /// `tracing` as a warning, with the [`warnings`](Self::warnings). What is not found out with
    /// as much work as a build may take ([`work_limit`](super::RouterBuilder::work_limit)) is left
    /// out.
    pub fn shadowed(&self) -> &[ShadowedRule] {
        shadowed(&self.shared)
    }

    /// Patterns that are probably not meant as they are written: of all routes and hosts, each
    /// with an example request.
    pub fn warnings(&self) -> &[RouterWarning] {
        warnings(&self.shared)
    }

    /// The patterns of all hosts in order.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.shared.hosts.routes().map(|host| host.pattern())
    }

    /// The prefixes of all mounts in order.
    pub fn mounts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.shared.mounts.iter().map(|mount| mount.prefix.as_str())
    }

    /// The same routes, every service in a layer: those of mounts and the
    /// fallback as well.
    ///
    /// What the router answers by itself (404, 405, redirects) does not go
    /// through it; for that wrap the router, which is a service.
    pub fn layer<L: Layer<S>>(self, layer: L) -> Router<L::Service>
    where
        S: Clone,
    {
        let endpoints = self
            .endpoints
            .iter()
            .map(|service| layer.layer(service.clone()))
            .collect();
        Router {
            shared: self.shared,
            endpoints,
        }
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            endpoints: Arc::clone(&self.endpoints),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field(
                "routes",
                &self
                    .routes()
                    .map(|route| route.pattern().to_owned())
                    .collect::<Vec<_>>(),
            )
            .field("mounts", &self.mounts().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The table of routes, a line each, with what [`shadowed`](Router::shadowed) and
/// [`warnings`](Router::warnings) tell of it.
impl<S> fmt::Display for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Table::new(&self.shared).fmt(f)
    }
}

/// One line of a router's list.
#[derive(Clone, Copy, Debug)]
pub struct RouterRoute<'r> {
    host: Option<&'r str>,
    info: &'r RouteInfo,
}

impl<'r> RouterRoute<'r> {
    /// The pattern, as it was written.
    pub fn pattern(&self) -> &'r str {
        &self.info.entry.pattern.source
    }

    /// The pattern of its host, if it is limited to one.
    pub fn host(&self) -> Option<&'r str> {
        self.host
    }

    /// The name, if it has one.
    pub fn name(&self) -> Option<&'r str> {
        self.info.entry.name.as_deref()
    }

    /// The names of the groups of its pattern in order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = Option<&'r str>> + use<'r> {
        self.info.entry.pattern.groups.iter().map(Option::as_deref)
    }

    /// The methods that were listed; none means all.
    pub fn methods(&self) -> &'r [Method] {
        &self.info.methods
    }
}

impl<S, B, RB> Service<Request<B>> for Router<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone,
    RB: Body<Data = Bytes>,
{
    type Response = Response<RouterBody<RB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    /// Always ready: only a request tells which service is to take it, and `call` then waits
    /// until that one is ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture<S, B> {
        let head = *request.method() == Method::HEAD;
        match dispatch(&self.shared, &self.endpoints, &mut request) {
            // The service is cloned because the clone is what waits until it is
            // ready: the one in the table is shared.
            Dispatch::Endpoint(service) => ResponseFuture::call(service.clone(), request, head),
            Dispatch::Answer(response) => ResponseFuture::own(response, head),
            Dispatch::Question(question) => {
                ResponseFuture::development(question.answer_later(), head)
            }
        }
    }
}

impl<B> IncomingRequest for Request<B> {
    #[inline]
    fn target(&self) -> Target<'_> {
        let uri = self.uri();
        Target {
            method: self.method(),
            path: uri.path(),
            query: uri.query(),
            path_and_query: uri.path_and_query(),
            script_name: self.raw_script_name(),
            extensions: self.extensions(),
        }
    }

    fn host(&self) -> Option<Cow<'_, str>> {
        resolve::host_of(self.uri(), self.headers()).map(Cow::Borrowed)
    }

    fn head(&self) -> Parts {
        head_of(self)
    }

    fn strip_mount(&mut self, mount: &Mount) {
        mount.prefix.strip_from(self);
    }

    #[inline]
    fn insert_args(&mut self, args: UrlArgs) {
        self.extensions_mut().insert(args);
    }
}
