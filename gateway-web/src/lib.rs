//! Request and response for whole sites: what Werkzeug and Flask are beside WSGI, this is beside
//! [`gateway_core`].
//!
#![cfg_attr(
    feature = "full",
    doc = r##"
```
use gateway_core::{Environ, Error, Reply};
use gateway_web::testing::Browser;
use gateway_web::{CookieKeys, EnvironExt, ErrorPage, ErrorPages, FormErrors, SessionLayer, StateLayer, Templates, values};
use router::{IntoPattern, Router};
use std::sync::Mutex;
use tower_layer::Layer;

type View = fn(&mut Environ) -> Result<Reply, Error>;

#[derive(Clone, serde::Deserialize, serde::Serialize)]
struct Book {
    title: String,
    year: u16,
}

struct Shop {
    books: Mutex<Vec<Book>>,
}

fn list(environ: &mut Environ) -> Result<Reply, Error> {
    let books = environ.state::<Shop>()?.books.lock().unwrap().clone();
    environ.render("list.html", values! { books })
}

fn show(environ: &mut Environ) -> Result<Reply, Error> {
    let id: usize = environ.parse_url()?;
    let book = environ.state::<Shop>()?.books.lock().unwrap().get(id).cloned();
    let book = book.ok_or_else(|| Error::new(http::StatusCode::NOT_FOUND, "no such book"))?;
    Ok(Reply::text(book.title))
}

fn add(environ: &mut Environ) -> Result<Reply, Error> {
    let form = environ.read_form(10_000)?;
    let mut errors = FormErrors::default();
    if form.is_blank("title") {
        errors.add("title", "A book has a title.");
    }
    match form.parse::<Book>() {
        Ok(book) if errors.is_empty() => {
            let shop = environ.state::<Shop>()?;
            let mut books = shop.books.lock().unwrap();
            books.push(book);
            environ.flash("success", "The book was added.")?;
            environ.redirect_to("book", [books.len() - 1])
        }
        result => {
            errors.extend(result.err());
            let page = environ.render("form.html", values! { form, errors })?;
            Ok(page.with_status(http::StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

let urls = Router::<View>::builder()
    .get(r"^books$".named("books"), list)
    .get(r"^books/(?<id>[0-9]+)$".named("book"), show)
    .post(r"^books$".named("add"), add)
    .build()?;

let mut pages = minijinja::Environment::new();
pages.add_template("list.html", "{% for flash in flashes() %}{{ flash.text }} {% endfor %}{{ books|length }}")?;
pages.add_template("form.html", "<input name=title value='{{ form.title }}'>{{ errors.title }}{{ errors.year }}")?;
pages.add_template("error.html", "{{ reason }}: <a href='{{ url_for(\"books\") }}'>all books</a>")?;
let templates = Templates::new(pages).routes(&urls);

let site = StateLayer::new(Shop { books: Mutex::default() }).layer(urls);
let site = templates.layer(site);
let site = SessionLayer::new(CookieKeys::random()).layer(site);
let site = ErrorPages::new(move |page: &ErrorPage<'_>| {
    templates.error_page(page, "error.html", values! { reason => page.reason() })
})
.layer(site);

let browser = Browser::new(gateway_core::testing::Client::new(site));
browser.post("/books").form(&[("title", ""), ("year", "soon")]).expecting(422).send()
    .assert_contains("A book has a title.")
    .assert_contains("invalid digit");
browser.post("/books").form(&[("title", "Moby-Dick"), ("year", "1851")]).send().assert_text("Moby-Dick");
browser.get("/books").send().assert_text("The book was added. 1");
browser.get("/books/7").send().assert_status(404).assert_contains("Not Found: <a href='/books'>all books</a>");
# Ok::<(), Box<dyn std::error::Error>>(())
```
"##
)]
//!
//! Two extension traits, [`EnvironExt`] and [`ReplyExt`], and a few layers that go around an application as around any
//! tower service. Every part is a feature, and none is on by default:
//!
//! | feature | what it adds | over |
//! |---|---|---|
//! | `forms` | queries and forms as types, and untyped to show them again | serde, serde_html_form, serde_path_to_error |
//! | `multipart` | uploads part by part, each an [`io::Read`](std::io::Read); nothing is held whole | multer |
//! | `tempfile` | uploads to temporary files | tempfile |
//! | `cookies` | read, set and deleted, with safe defaults | cookie |
//! | `secure-cookies` | signed and encrypted, with keys that can be replaced | cookie |
//! | `session` | a small session and messages in an encrypted cookie | cookie, serde_json |
//! | `json` | in and out, with limits | serde_json, serde_path_to_error |
//! | `negotiation` | what the client would rather have | |
//! | `redirects` | 303 after POST, 302 else; with `router` to a route by its name | |
//! | `router` | URLs by the names of routes, their arguments as types | router |
//! | `files` | files and downloads with conditions and ranges | middleware-static |
//! | `conditional` | pages that answer 304 and 412 | middleware-static |
//! | `brake` | 429 to clients that ask too often | |
//! | `hosts` | which hosts a site answers to, against DNS rebinding | tower-http |
//! | `auth` | Basic and Bearer, parsed | base64, subtle |
//! | `error-pages` | one place where a site says how its errors look | |
//! | `minijinja` | templates with `url_for`, `asset_url`, `flashes` | minijinja |
//! | `state` | what all views share | |
//! | `site` | a site with its layers, as one type | |
//! | `testing` | a browser for tests: cookies, redirects, uploads, JSON | |
//! | `full` | all of these | |
//!
//! # What is answered with which status
//!
//! | what came | status |
//! |---|---|
//! | a query that does not fit its type | 400 |
//! | a form, or JSON, that does not fit its type | 422 |
//! | JSON that is none; an upload that is malformed or cut short | 400 |
//! | another Content-Type than is asked for | 415 |
//! | more than the limit: a form, JSON, an upload, a part, or the number of parts | 413 |
//! | a body that does not come in time | 408 |
//! | an argument of the URL that does not fit | 404 |
//! | a precondition that does not hold | 412 |
//! | a cookie that was changed | as if it had not come |
//! | a layer that is missing around the view | 500, with a sentence that names the layer |
//!
//! # Around a site
//!
//! [`StateLayer`], [`SessionLayer`], [`Templates`] and [`ErrorPages`] surround an application, and are one then; or a
//! tower service, and are one then. [`ErrorPages`] goes outside of `middleware_exceptions::ExceptionsLayer`, the others
//! anywhere inside.
//!
//! Forms that another site makes a browser send are refused by tower-http's `CsrfLayer`, over plain HTTP and below
//! mounts as well. It goes by what the browser says of where the request comes from, so forms need no token:
//!
//! ```text
//! ServiceBuilder::new()
//!     .layer(error_pages)
//!     .layer(ExceptionsLayer::new())
//!     .layer(CsrfLayer::new().with_rejection_response(error_pages::forbidden))
//!     .service(site.into_service())
//! ```
//!
//! `error_pages::forbidden` has the 403 look like the site's other errors. Browsers name the site that they see: behind a
//! proxy that sends another `Host`, `gateway_core::ProxyLayer` goes around all of it, and sets the one that the browser asked.
//!
//! # What it does not do
//!
//! No table of sessions on the server, no log-in, no database, no validation beyond types: for those there are crates,
//! and a blocking view calls them as they are.

#[cfg(any(feature = "minijinja", feature = "session", feature = "state"))]
pub mod around;
#[cfg(feature = "auth")]
pub mod auth;
#[cfg(feature = "brake")]
mod brake;
#[cfg(feature = "conditional")]
mod conditional;
#[cfg(feature = "cookies")]
pub mod cookies;
mod environ;
#[cfg(feature = "error-pages")]
pub mod error_pages;
#[cfg(any(feature = "files", feature = "multipart"))]
mod file_name;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "forms")]
pub mod forms;
#[cfg(feature = "hosts")]
pub mod hosts;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "multipart")]
pub mod multipart;
#[cfg(feature = "negotiation")]
mod negotiate;
#[cfg(feature = "redirects")]
mod redirects;
mod reply;
#[cfg(feature = "router")]
mod routes;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "site")]
mod site;
#[cfg(feature = "state")]
mod state;
#[cfg(feature = "minijinja")]
mod templates;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "brake")]
pub use brake::Brake;
#[cfg(feature = "conditional")]
pub use conditional::Version;
#[cfg(feature = "secure-cookies")]
#[doc(inline)]
pub use cookies::CookieKeys;
pub use environ::EnvironExt;
#[cfg(feature = "error-pages")]
#[doc(inline)]
pub use error_pages::{ErrorPage, ErrorPages};
#[cfg(feature = "files")]
pub use files::Download;
#[cfg(feature = "forms")]
#[doc(inline)]
pub use forms::{Form, FormErrors};
#[cfg(feature = "multipart")]
#[doc(inline)]
pub use multipart::UploadLimits;
pub use reply::ReplyExt;
#[cfg(feature = "session")]
#[doc(inline)]
pub use session::SessionLayer;
#[cfg(feature = "site")]
pub use site::{Site, SiteFuture};
#[cfg(feature = "state")]
pub use state::StateLayer;
#[cfg(feature = "minijinja")]
pub use templates::Templates;
#[cfg(feature = "minijinja")]
#[doc(hidden)]
pub use templates::{template_value, template_values};
