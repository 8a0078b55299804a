//! What the tutorial in `docs/` arrives at: a dispatching application, static files, tracebacks, any gateway.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::LazyLock;

use gateway_core::{Application, Environ, Error, Reply, escape};
use gateway_server::{Listener, Sockets, ToSockets, auto};
use middleware_exceptions::ExceptionsLayer;
use middleware_static::StaticLayer;
use router::{IntoPattern, UrlMap};
use tower::ServiceBuilder;

type View = fn(&mut Environ) -> Result<Reply, Error>;

static URLS: LazyLock<UrlMap<View>> = LazyLock::new(|| {
    UrlMap::builder()
        .route(r"^$", index as View)
        .route(r"^hello/?$", hello)
        .route(r"^hello/(?P<subject>.+)$".named("hello"), hello)
        .route(r"^break$", broken)
        .build()
        .expect("the patterns are right")
});

/// `environ['myapp.url_args']`: keys are types.
#[derive(Clone)]
struct Subject(String);

/// A folder that is there wherever the program is started from.
const STATIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/static");

fn application(environ: &mut Environ) -> Result<Reply, Error> {
    let path = environ.path_str()?.trim_start_matches('/').to_owned();
    let Some(found) = URLS.find(&path) else {
        return Ok(Reply::not_found());
    };
    if let Some(subject) = found.args().name("subject") {
        environ.insert(Subject(subject.to_owned()));
    }
    (found.value())(environ)
}

fn index(environ: &mut Environ) -> Result<Reply, Error> {
    let john = URLS.url_for("hello", [("subject", "John")])?;
    page(
        environ,
        "Hello World Application",
        &format!(
            "<p><a href=\"hello/\">everybody</a>, <a href=\"{john}\">John</a>, <a href=\"break\">break it</a></p>"
        ),
    )
}

fn hello(environ: &mut Environ) -> Result<Reply, Error> {
    let subject = environ.get::<Subject>().map(|subject| subject.0.clone());
    let subject = subject.unwrap_or("World".into());
    page(environ, &format!("Hello {subject}!"), "")
}

/// Confuses a name with a number.
fn broken(_: &mut Environ) -> Result<Reply, Error> {
    let page: u32 = "x7".parse().unwrap();
    Ok(Reply::text(format!("page {page}\n")))
}

/// Every link of a page is relative to the application, wherever that is mounted.
fn page(environ: &Environ, title: &str, body: &str) -> Result<Reply, Error> {
    let title = escape(title);
    let root = escape(environ.raw_script_name());
    Ok(Reply::html(format!(
        "<!doctype html>\n<title>{title}</title>\n<base href=\"{root}/\">\n<link rel=stylesheet href=static/style.css>\n<h1>{title}</h1>\n{body}\n"
    )))
}

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", serve)
}

fn serve(address: &str) -> Result<ExitCode, Error> {
    let service = ServiceBuilder::new()
        .layer(ExceptionsLayer::new().development())
        .layer(StaticLayer::new("/static", STATIC)?)
        .service(application.into_service());
    Ok(auto::run_service(|| announced(address), service)?)
}

/// Says where it listens, once it does. Under CGI nothing is bound, and standard output is the response.
fn announced(address: &str) -> io::Result<Sockets> {
    let sockets = address.to_sockets()?;
    // A closed standard output is no reason not to serve.
    let _ = writeln!(
        io::stdout(),
        "listening on http://{}",
        sockets.local_addr()?
    );
    Ok(sockets)
}
