//! FastCGI: one request at a time over connections that a front end keeps open.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use std::convert::Infallible;
//!
//! use gateway_core::Body;
//! use gateway_server::fastcgi;
//! use http::{Request, Response};
//!
//! let service = tower::service_fn(|request: Request<Body>| async move {
//!     Ok::<_, Infallible>(Response::new(format!("you asked for {}\n", request.uri())))
//! });
//! fastcgi::serve("127.0.0.1:9000", service).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! location / {                        # nginx
//!     fastcgi_pass 127.0.0.1:9000;
//!     include fastcgi_params;
//!     fastcgi_param SCRIPT_NAME "";
//!     fastcgi_param PATH_INFO $document_uri;
//! }
//! ```
//!
//! # What is answered, and what is not
//!
//! | the front end sends | answer |
//! |---|---|
//! | a request in the Responder role | the response, and FCGI_END_REQUEST |
//! | another role | FCGI_UNKNOWN_ROLE |
//! | a second request while one is running | FCGI_CANT_MPX_CONN for the second |
//! | the id of the request that is running, begun again | nothing: the connection is closed |
//! | records of an id that is not running, unknown types with an id | nothing (section 3.3) |
//! | FCGI_GET_VALUES | FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS as far as asked for |
//! | another type with id 0 | FCGI_UNKNOWN_TYPE |
//! | FCGI_ABORT_REQUEST | the service's future is dropped; FCGI_END_REQUEST |
//! | variables that make no request | 400, 414 or 431 |
//! | a record of another version, pairs beyond their stream | nothing: the connection is closed |
//!
//! What the application writes to its errors stream, and why it failed, goes to FCGI_STDERR: the
//! front end's error log. A response body that fails half way leaves the request without its end,
//! and the connection is reset, so that the front end cuts its client off, too.

mod codec;
pub mod record;

use std::io;
use std::process::ExitCode;

use gateway_core::Application;

use self::codec::{RecordCodec, Rules};
use crate::front_end::server::FrontEnd;
use crate::settings::Settings;
use crate::{HttpService, Outcome, Sockets, ToSockets, block_on, server};

/// The protocol of [`Server`].
#[derive(Debug)]
pub enum FastCgi {}

/// A FastCGI server.
pub type Server<L = Sockets> = server::Server<FastCgi, L>;

impl FrontEnd for FastCgi {
    type Codec = RecordCodec;
    const NAME: &'static str = "FastCGI";

    fn codec(settings: &Settings, max_connections: usize) -> RecordCodec {
        RecordCodec::new(Rules {
            mount: settings.mount.clone(),
            max_params: settings.head_bytes,
            max_connections,
        })
    }
}

/// Serves a blocking application on `sockets` (`"127.0.0.1:9000"`, `"/run/app.sock"`), with the defaults of
/// [`Server`], until SIGTERM or SIGINT.
///
/// Sockets that the process was started with (`LISTEN_FDS`) take the place of `sockets`, unless those are
/// [`Sockets`] that the program has made itself.
///
/// It starts a runtime, and must not be called inside one. The exit code and the end are those of
/// [`block_on`].
///
/// # Errors
///
/// The sockets cannot be made, or signals cannot be listened for.
pub fn run(sockets: impl ToSockets, application: impl Application) -> io::Result<ExitCode> {
    run_service(sockets, application.into_service())
}

/// As [`run`], for a tower service.
///
/// # Errors
///
/// As [`run`].
pub fn run_service(sockets: impl ToSockets, service: impl HttpService) -> io::Result<ExitCode> {
    block_on(serve(sockets, service))
}

/// As [`run_service`], on the runtime of the caller.
///
/// # Errors
///
/// As [`run`].
pub async fn serve(sockets: impl ToSockets, service: impl HttpService) -> io::Result<Outcome> {
    server::serve::<FastCgi>(sockets, service).await
}
