//! What is around the wiki: layers, from the outside in.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use gateway_core::paths::{MountLayer, Prefix};
use gateway_core::{Application, Body, BoxError, Environ, Error, Reply};
use http::{HeaderValue, Request, Response, StatusCode, header};
use middleware_exceptions::{ExceptionsLayer, Rendered};
use middleware_static::{StaticFiles, StaticLayer};
use tower::{Service, ServiceBuilder};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::store::is_busy;
use crate::wiki::{Layer, Wiki, embedded};

/// How the wiki is to be served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory the pages are kept in.
    pub data: PathBuf,
    /// Where the wiki is mounted; empty for the root.
    pub mount: Prefix,
    /// Whether failures show a traceback, to who is at this machine.
    pub development: bool,
}

/// How long a request waits for a thread before it is answered with 503.
const WAIT: Duration = Duration::from_secs(10);

/// The wiki with everything around it: a tower service that any of the servers takes.
///
/// # Errors
///
/// As [`Wiki::open`].
pub fn stack(
    settings: Settings,
) -> Result<
    impl Service<
        Request<Body>,
        Response = Response<
            impl http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
        >,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static,
    Error,
> {
    let mut exceptions =
        ExceptionsLayer::new()
            .silence_default_hook()
            .map_status(|error: &rusqlite::Error| {
                // Another process has held the lock for a minute, or other requests all
                // connections for seconds: come back later.
                if is_busy(error) {
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            });
    if settings.development {
        // Asked for by name on the command line, so in release builds too.
        exceptions = exceptions.development_in_release();
    } else {
        exceptions = exceptions.render_with(|page| Some(failed(&page.id().to_string())));
    }
    let wiki = Wiki::open(&settings.data)?.within(layers(&settings), settings.development);
    let assets = wiki.assets().clone();
    let files = StaticFiles::from_source(embedded()).assets(assets);
    let wiki = ServiceBuilder::new()
        .layer(StaticLayer::with_files("/static", files)?)
        .layer(CsrfLayer::new().with_rejection_response(refused))
        .service(wiki.into_service().wait_timeout(WAIT));
    let mount = MountLayer::new(settings.mount.as_str(), wiki)?;
    let outside = Outside {
        mount: settings.mount,
    };
    Ok(ServiceBuilder::new()
        .layer(exceptions)
        .layer(mount)
        .service(outside.into_inline_service()))
}

/// What a visitor sees of a failure.
fn failed(id: &str) -> Rendered {
    let text = "The wiki failed to answer, and the failure is in its log. What was saved before \
                is safe. Going back brings back what you typed.";
    let id = format!("Error ID: <code>{id}</code>");
    Rendered::new(
        "text/html; charset=utf-8",
        bare("That did not work", text, &id),
    )
}

/// What a visitor sees of a form that another site made the browser send.
fn refused(_: ProtectionError) -> Response<Body> {
    let text = "This form was sent by another site. Nothing was changed.";
    let more = "If it was this site's: does the web server in front pass Host on as it came?";
    let mut response = Response::new(Body::from(bare("Refused", text, more)));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// A page that needs nothing of what may just have failed. `text` and `more` are HTML.
fn bare(heading: &str, text: &str, more: &str) -> String {
    include_str!("../templates/bare.html")
        .replace("{{ heading }}", heading)
        .replace("{{ text }}", text)
        .replace("{{ more }}", more)
}

/// The same, in words.
fn layers(settings: &Settings) -> Vec<Layer> {
    let layer = |name: &str, does: String| Layer {
        name: name.to_owned(),
        does,
    };
    let details = if settings.development {
        "shows tracebacks to who is at this machine"
    } else {
        "shows visitors an error id, and the log the traceback"
    };
    let mount = match settings.mount.as_str() {
        "" => "takes every path: the wiki is at the root".to_owned(),
        mount => format!("takes {mount} off the path and puts it into SCRIPT_NAME"),
    };
    vec![
        layer(
            "gateway-server",
            "reads the request and writes the response".to_owned(),
        ),
        layer(
            "ExceptionsLayer",
            format!("catches panics and errors, and {details}"),
        ),
        layer("MountLayer", mount),
        layer(
            "StaticLayer",
            "answers what is below /static from the binary".to_owned(),
        ),
        layer(
            "CsrfLayer",
            "refuses forms that another site made a browser send".to_owned(),
        ),
        layer("into_service", "finds a thread that may block".to_owned()),
        layer("Router", "finds the function for the path".to_owned()),
    ]
}

/// Whatever is not below the mount: the way there from the root, and nothing else.
struct Outside {
    mount: Prefix,
}

impl Application for Outside {
    fn respond(&self, environ: &mut Environ) -> Result<gateway_core::Response, Error> {
        let mount = url_path(&self.mount);
        if environ.raw_path_info() != "/" {
            return Reply::text(format!("404 Not Found\n\nThe wiki is at {mount}/\n"))
                .with_status(StatusCode::NOT_FOUND)
                .into_response();
        }
        // Relative: right behind a proxy that has the root somewhere else.
        Reply::status(StatusCode::FOUND)
            .header("location", format!("{}/", mount.trim_start_matches('/')))
            .into_response()
    }
}

/// A mount as a URL says it: `/caf%C3%A9` for `/café`.
#[must_use]
pub fn url_path(mount: &Prefix) -> String {
    percent_encoding::utf8_percent_encode(mount.as_str(), &PATH).to_string()
}

/// What a path may not hold as it is (RFC 3986 section 3.3); slashes stay.
const PATH: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
