//! The application: a router, and what its views share.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gateway_core::error::Failure;
use gateway_core::request::Arrival;
use gateway_core::{Application, Environ, Error, FailedBy, IntoReply, Reply, Response};
use gateway_web::around::Around;
use gateway_web::{Brake, EnvironExt, ErrorPage, ErrorPages, Templates};
use http::{Method, StatusCode, header};
use middleware_static::AssetManifest;
use minijinja::{Value, context};
use router::{RequestUrlArgs, Router};
use tower::Layer as _;

use crate::FIRST_PAGES;
use crate::name::{NotAName, PageName};
use crate::store::Store;
use crate::templates::{self, Assets};
use crate::token::Token;
use crate::urls::{View, urls};
use crate::views::edit::cut;

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
    /// The router with the templates around it.
    site: Around<Templates, Router<View>>,
    templates: Templates,
    assets: AssetManifest,
    started: Instant,
    surroundings: Surroundings,
}

/// What the wiki is set into.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The layers around it.
    pub stack: Vec<Layer>,
    /// Developers are watching.
    pub development: bool,
    /// How often one client may send a form.
    pub brake: Option<Brake>,
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
        let assets = AssetManifest::from_source(templates::assets()).base("/static");
        let templates = templates::templates(&router, &assets)?;
        let shared = Shared {
            site: templates.layer(router.clone()),
            router,
            templates,
            assets,
            started: Instant::now(),
            surroundings: Surroundings::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            store,
        })
    }

    /// Says what the wiki is set into. Call it before the wiki is shared: what has been cloned
    /// stays as it is.
    #[must_use]
    pub fn within(mut self, surroundings: Surroundings) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.surroundings = surroundings;
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

    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.shared.surroundings
    }

    pub(crate) fn started(&self) -> Instant {
        self.shared.started
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
            development => self.shared.surroundings.development,
            gateway => gateway(environ),
            ..values
        };
        Ok(with_headers(environ.render(template, values)?))
    }

    /// A page with a form: the template finds the form's `token`, and the browser keeps it.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub(crate) fn render_form(
        &self,
        environ: &Environ,
        template: &str,
        values: Value,
    ) -> Result<Reply, Error> {
        let token = Token::of(environ)?;
        let values = context! { token => token.value(), ..values };
        Ok(token.kept(environ, self.render(environ, template, values)?))
    }

    /// The pages of all errors below `error_pages`: see `stack`.
    pub(crate) fn error_pages(&self) -> ErrorPages {
        let (templates, development) = (
            self.shared.templates.clone(),
            self.shared.surroundings.development,
        );
        ErrorPages::new(move |page: &ErrorPage<'_>| -> Result<Reply, Error> {
            let (heading, text) = said(page);
            let id = page
                .headers()
                .get(&ERROR_ID)
                .and_then(|id| id.to_str().ok());
            let values = context! {
                status => page.status().as_u16(),
                heading, text, id, development,
                gateway => "",
            };
            Ok(with_headers(templates.error_page(
                page,
                "error.html",
                values,
            )?))
        })
    }
}

/// The field in which the exceptions layer tells the id of a failure.
pub(crate) const ERROR_ID: header::HeaderName = header::HeaderName::from_static("x-error-id");

/// What the page of an error says: heading and text.
fn said(page: &ErrorPage<'_>) -> (&'static str, Cow<'static, str>) {
    // What a view says to a visitor. Other errors' texts are not meant for one.
    let error = page.error().filter(|error| error.is::<Failure>());
    let text = match page.status() {
        StatusCode::FORBIDDEN => {
            let text = "This form was sent by another site. Nothing was changed. If it was this \
                        site's: does the web server in front pass Host on as it came?";
            return ("Refused", text.into());
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "That was too much at once, so nothing was changed. Wait a moment, go back, where what \
             you typed still is, and send it again."
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            "The wiki has too much to do just now. What was saved before is safe. Going back \
             brings back what you typed."
        }
        status if status.is_server_error() => {
            let text = "The wiki failed to answer, and the failure is in its log. What was saved \
                        before is safe. Going back brings back what you typed.";
            return ("That did not work", text.into());
        }
        _ if let Some(error) = error => return (page.reason(), error.to_string().into()),
        StatusCode::METHOD_NOT_ALLOWED => "There is nothing here for that method.",
        StatusCode::BAD_REQUEST => "That is not an address: it is not UTF-8.",
        _ => "There is nothing here.",
    };
    (page.reason(), text.into())
}

fn with_headers(page: Reply) -> Reply {
    let headers = HEADERS.into_iter();
    headers.fold(page, |page, (name, value)| page.header(name, value))
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
        let brake = self.shared.surroundings.brake.as_ref();
        if *environ.method() == Method::POST
            && let Some(refusal) = brake.and_then(|brake| brake.refusal(environ))
        {
            return Ok(refusal);
        }
        environ.insert(self.clone());
        match self.shared.site.respond(environ) {
            // What was read for a visitor who is gone has stopped: that is no failure to report.
            Err(_) if environ.is_cancelled() => {
                Reply::status(StatusCode::SERVICE_UNAVAILABLE).into_response()
            }
            // What the visitor did: the error pages say what is wrong. The rest is for the
            // exceptions layer.
            Err(error) if error.status().is_client_error() => {
                let mut response = Response::default();
                *response.status_mut() = error.status();
                Ok(FailedBy::bare_with(error).attach(response))
            }
            other => other,
        }
    }
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
