//! SCGI: one request over one connection, in as few rules as possible.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use std::convert::Infallible;
//!
//! use gateway_core::Body;
//! use gateway_server::scgi;
//! use http::{Request, Response};
//!
//! let service = tower::service_fn(|request: Request<Body>| async move {
//!     Ok::<_, Infallible>(Response::new(format!("you asked for {}\n", request.uri())))
//! });
//! scgi::serve("127.0.0.1:4000", service).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! location / {                        # nginx
//!     scgi_pass 127.0.0.1:4000;
//!     include scgi_params;
//! }
//! ```
//!
//! Headers that are no netstring, or no pairs of strings, close the connection without an answer;
//! variables that make no request are answered with 400, 414 or 431. The protocol has no errors
//! stream, so the application's is this process's standard error. It has no end of a response
//! either: where a body fails half way, the connection is reset, which is all there is to tell the
//! front end, and over a Unix socket there is not even that (a Content-Length is).

mod codec;

use std::io;
use std::process::ExitCode;

use gateway_core::Application;

pub use self::codec::Malformed;
use self::codec::{NetstringCodec, Rules};
use crate::front_end::server::FrontEnd;
use crate::settings::Settings;
use crate::{HttpService, Outcome, Sockets, ToSockets, block_on, server};

/// The protocol of [`Server`].
#[derive(Debug)]
pub enum Scgi {}

/// An SCGI server.
pub type Server<L = Sockets> = server::Server<Scgi, L>;

impl FrontEnd for Scgi {
    type Codec = NetstringCodec;
    const NAME: &'static str = "SCGI";

    fn codec(settings: &Settings, _: usize) -> NetstringCodec {
        NetstringCodec::new(Rules {
            mount: settings.mount.clone(),
            max_headers: settings.head_bytes,
        })
    }
}

/// Serves a blocking application on `sockets` (`"127.0.0.1:4000"`, `"/run/app.sock"`), with the defaults of
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
    server::serve::<Scgi>(sockets, service).await
}
