//! The application: a router, and what its views share.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gateway_core::request::Arrival;
use gateway_core::{Application, Body, Environ, Error, IntoReply, Reply, Response};
use http::{Method, StatusCode, header};
use middleware_static::AssetManifest;
use minijinja::{Value, context};
use router::{RequestUrlArgs, Router};

use crate::name::{NotAName, PageName};
use crate::store::Store;
use crate::templates::{self, Assets};
use crate::urls::{View, urls};
use crate::views::edit::cut;
use crate::{FIRST_PAGES, date};

/// One layer of the stack around the wiki, for the page that shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Layer {
    /// What it is called.
    pub name: String,
    /// What it does here.
    pub does: String,
}

/// A wiki: a blocking [`Application`].
#[derive(Clone)]
pub struct Wiki {
    shared: Arc<Shared>,
    store: Store,
}

struct Shared {
    router: Router<View>,
    templates: minijinja::Environment<'static>,
    assets: AssetManifest,
    development: bool,
    stack: Vec<Layer>,
    started: Instant,
}

impl Wiki {
    /// The wiki in the directory `data`, which is created with a few first pages if it is not
    /// there.
    ///
    /// # Errors
    ///
    /// The directory cannot be created, or the database in it cannot be opened.
    pub fn open(data: &Path) -> Result<Self, Error> {
        let file = data.join("wiki.db");
        let no_place =
            |error: Error| Error::msg(format!("cannot keep pages in {}: {error}", file.display()));
        std::fs::create_dir_all(data).map_err(|error| no_place(error.into()))?;
        let store = Store::open(&file, &FIRST_PAGES).map_err(no_place)?;
        let router = urls()?;
        let assets = AssetManifest::from_source(templates::assets());
        let shared = Shared {
            templates: templates::environment(&router, &assets)?,
            router,
            assets,
            development: false,
            stack: Vec::new(),
            started: Instant::now(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            store,
        })
    }

    /// Says what is around the wiki and that developers are watching. Call it before the wiki is
    /// shared: what has been cloned stays as it is.
    #[must_use]
    pub fn within(mut self, stack: Vec<Layer>, development: bool) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.stack = stack;
            shared.development = development;
        }
        self
    }

    /// The wiki that answers this request: it reads no longer than there is a visitor to read for.
    ///
    /// # Errors
    ///
    /// The view was called by something else than a wiki.
    pub(crate) fn of(environ: &Environ) -> Result<Self, Error> {
        let wiki: &Self = environ
            .get()
            .ok_or_else(|| Error::msg("called outside the wiki"))?;
        let visitor = environ.cancellation();
        Ok(Self {
            shared: Arc::clone(&wiki.shared),
            store: wiki.store.unless(move || visitor.is_cancelled()),
        })
    }

    /// The pages.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The style sheet and what else is served under its hash.
    #[must_use]
    pub fn assets(&self) -> &AssetManifest {
        &self.shared.assets
    }

    /// The route table.
    #[must_use]
    pub fn router(&self) -> &Router<View> {
        &self.shared.router
    }

    pub(crate) fn stack(&self) -> &[Layer] {
        &self.shared.stack
    }

    pub(crate) fn started(&self) -> Instant {
        self.shared.started
    }

    /// A relative URL of a named route.
    ///
    /// # Errors
    ///
    /// The arguments do not fit the route.
    pub(crate) fn url(
        &self,
        environ: &Environ,
        route: &str,
        name: Option<&str>,
    ) -> Result<String, Error> {
        let args: Vec<_> = name.map(|name| ("name", name)).into_iter().collect();
        let url = self.shared.router.url_for(route, args)?;
        Ok(relative(&root(environ), &url))
    }

    /// A page from a template.
    ///
    /// # Errors
    ///
    /// The template does not fit its values.
    pub(crate) fn render(
        &self,
        environ: &Environ,
        template: &str,
        values: Value,
    ) -> Result<Reply, Error> {
        let values = context! {
            root => root(environ),
            year => date::year(),
            development => self.shared.development,
            gateway => gateway(environ),
            ..values
        };
        let page = self
            .shared
            .templates
            .get_template(template)?
            .render(values)?;
        let mut reply = Reply::html(page);
        for (name, value) in HEADERS {
            reply = reply.header(name, value);
        }
        Ok(reply)
    }

    fn error_page(&self, environ: &Environ, error: &Error) -> Result<Response, Error> {
        let status = error.status();
        let values = context! {
            status => status.as_u16(),
            reason => status.canonical_reason().unwrap_or("Error"),
            text => error.to_string(),
        };
        self.render(environ, "error.html", values)?
            .with_status(status)
            .into_response()
    }
}

/// Sent with every page. There is no script at all, so none is allowed; forms go nowhere else;
/// no page frames ours. `no-cache`: a browser asks again, and still keeps what was typed for "back".
const HEADERS: [(header::HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self' https:; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-cache"),
];

impl Application for Wiki {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        if environ.raw_path_info().is_empty() {
            return to_the_slash(environ);
        }
        environ.insert(self.clone());
        let response = match self.shared.router.respond(environ) {
            // What was read for a visitor who is gone has stopped: that is no failure to report.
            Err(_) if environ.is_cancelled() => {
                Reply::status(StatusCode::SERVICE_UNAVAILABLE).into_response()?
            }
            // What the visitor did is answered here. The rest is for the exceptions layer.
            Err(error) if error.status().is_client_error() => self.error_page(environ, &error)?,
            Ok(response) if is_bare_error(&response) => self.dressed(environ, &response)?,
            other => other?,
        };
        Ok(match *environ.method() {
            Method::HEAD => headed(response),
            _ => response,
        })
    }
}

/// The answer to HEAD: everything but the body, and its length where that is known.
fn headed(response: Response) -> Response {
    use http_body::Body as _;

    let length = response.body().size_hint().exact();
    let mut response = response.map(|_| Body::empty());
    if let Some(length) = length {
        let headers = response.headers_mut();
        headers
            .entry(header::CONTENT_LENGTH)
            .or_insert(length.into());
    }
    response
}

impl Wiki {
    /// The router's own answer (405 with Allow, 400) as a page.
    fn dressed(&self, environ: &Environ, bare: &Response) -> Result<Response, Error> {
        let status = bare.status();
        let text = match status {
            StatusCode::METHOD_NOT_ALLOWED => "There is nothing here for that method.",
            StatusCode::BAD_REQUEST => "That is not an address: it is not UTF-8.",
            _ => "There is nothing here.",
        };
        let mut response = self.error_page(environ, &Error::new(status, text))?;
        if let Some(allow) = bare.headers().get(header::ALLOW) {
            response.headers_mut().insert(header::ALLOW, allow.clone());
        }
        Ok(response)
    }
}

fn is_bare_error(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let html = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    response.status().is_client_error() && !html
}

/// `/wiki` is the directory's name and not the directory: its relative links would begin one step
/// too high.
fn to_the_slash(environ: &Environ) -> Result<Response, Error> {
    let mount = environ
        .raw_script_name()
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let query = match environ.query_string() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    // "./": a first segment with a colon in it would be a scheme (RFC 3986 section 4.2).
    let colon = if mount.contains(':') { "./" } else { "" };
    Reply::permanent_redirect(&format!("{colon}{mount}/{query}")).into_reply()
}

/// The way from this request's URL to the top of the wiki, `./` or `../` or further up.
///
/// All links of the wiki are relative: right below any prefix, with nothing configured, behind a
/// proxy that strips one as well.
pub(crate) fn root(environ: &Environ) -> String {
    match environ.raw_path_info().matches('/').count() {
        0 | 1 => "./".to_owned(),
        deep => "../".repeat(deep - 1),
    }
}

/// A path below the wiki as seen from a place that `root` leads up from.
pub(crate) fn relative(root: &str, path: &str) -> String {
    format!("{root}{}", path.strip_prefix('/').unwrap_or(path))
}

/// Which protocol brought the request, and who speaks it.
pub(crate) fn gateway(environ: &Environ) -> String {
    let software = environ.var("SERVER_SOFTWARE").unwrap_or_default();
    let software = String::from_utf8_lossy(&software);
    let facts = environ.get::<Arrival>().and_then(Arrival::gateway);
    match facts {
        None => format!("HTTP by {software}"),
        Some(facts) if facts.var("SCGI").is_some() => format!("SCGI behind {software}"),
        Some(_) if std::env::var_os("GATEWAY_INTERFACE").is_some() => {
            format!("CGI under {software}")
        }
        Some(_) => format!("FastCGI behind {software}"),
    }
}

/// The page that the URL names.
///
/// # Errors
///
/// It cannot be the name of a page (400), or is one of the wiki's own (404).
pub(crate) fn name_of(environ: &Environ) -> Result<PageName, Error> {
    let name = environ
        .url_args()
        .and_then(|args| args.name("name"))
        .unwrap_or_default();
    PageName::new(name).map_err(|error| match error {
        NotAName::Malformed(why) => {
            let shown = cut(name, 200);
            let more = if shown == name { "" } else { "…" };
            let text = format!("No page can be called “{shown}{more}”: {why}.");
            Error::new(StatusCode::BAD_REQUEST, text)
        }
        NotAName::Reserved => {
            let text = format!("“{name}” is one of the wiki's own names, not a page to edit.");
            Error::new(StatusCode::NOT_FOUND, text)
        }
    })
}

impl std::fmt::Debug for Wiki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wiki")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// The embedded files, as the static layer takes them.
#[must_use]
pub fn embedded() -> middleware_static::source::Embedded<Assets> {
    templates::assets()
}
