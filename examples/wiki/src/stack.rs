//! What is around the wiki: layers, from the outside in.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use gateway_core::paths::{MountLayer, Prefix};
use gateway_core::{Application, Body, Environ, Error, FailedBy, Reply};
use gateway_web::Brake;
use http::{Request, Response, StatusCode};
use middleware_exceptions::ExceptionsLayer;
use middleware_static::{StaticFiles, StaticLayer};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::store::is_busy;
use crate::wiki::{ERROR_ID, Layer, Surroundings, Wiki, embedded};

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

/// Forms that one address may send at once.
const AT_ONCE: u32 = 100;

/// Forms that it may send a minute after that, unless it is said otherwise.
pub const EDITS_A_MINUTE: u32 = 60;

/// A tower service that any of the servers takes.
pub type Site = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The wiki with everything around it.
///
/// # Errors
///
/// As [`Wiki::open`].
pub fn stack(settings: Settings) -> Result<Site, Error> {
    braked(settings, EDITS_A_MINUTE)
}

/// The same, where one address may send `edits` forms a minute, or any number if that is 0.
///
/// # Errors
///
/// As [`Wiki::open`].
pub fn braked(settings: Settings, edits: u32) -> Result<Site, Error> {
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
    }
    let interval = Duration::from_secs(60).checked_div(edits);
    let surroundings = Surroundings {
        stack: layers(&settings),
        development: settings.development,
        brake: interval.map(|interval| Brake::new(AT_ONCE, interval)),
    };
    let wiki = Wiki::open(&settings.data)?.within(surroundings);
    let error_pages = wiki.error_pages();
    let files = StaticFiles::from_source(embedded()).assets(wiki.assets().clone());
    let wiki = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(error_pages)
        .layer(exceptions.id_header(ERROR_ID))
        .layer(StaticLayer::with_files("/static", files)?)
        .layer(CsrfLayer::new().with_rejection_response(refused))
        .service(wiki.into_service().wait_timeout(WAIT));
    let mount = MountLayer::new(settings.mount.as_str(), wiki)?;
    let outside = Outside {
        mount: settings.mount,
    };
    let site = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(mount)
        .service(outside.into_inline_service().answer_errors());
    Ok(Site::new(site))
}

/// To a form that another site made the browser send. The error pages say so.
fn refused(_: ProtectionError) -> Response<Body> {
    let mut response = FailedBy::bare().attach(Response::default());
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
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
        layer("MountLayer", mount),
        layer(
            "ErrorPages",
            "has every error look like a page of the wiki".to_owned(),
        ),
        layer(
            "ExceptionsLayer",
            format!("catches panics and errors, and {details}"),
        ),
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
