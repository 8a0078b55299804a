//! Whichever way the program was started in, so that one binary deploys anywhere.
//!
//! | what it finds | what it does |
//! |---|---|
//! | descriptor 0 is a listening socket (mod_fcgid, spawn-fcgi, lighttpd's `bin-path`) | FastCGI on it |
//! | GATEWAY_INTERFACE and REQUEST_METHOD (`ScriptAlias`) | CGI: answers the one request |
//! | LISTEN_FDS (systemd) | HTTP on those sockets; FastCGI or SCGI where LISTEN_FDNAMES says `fastcgi` or `scgi` |
//! | none of these | HTTP on the sockets that the program names: `"127.0.0.1:8080"`, `"/run/app.sock"` |
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use gateway_core::{Environ, Reply};
//!
//! fn hello(_: &mut Environ) -> Reply {
//!     Reply::text("Hello World!\n")
//! }
//!
//! fn main() -> std::io::Result<ExitCode> {
//!     gateway_server::auto::run("127.0.0.1:8080", hello)
//! }
//! ```
//!
//! Standard output is the response under CGI. So a program that says where it listens does that where its sockets
//! are made, which is only where it has to make some:
//!
//! ```no_run
//! # use std::io;
//! # use std::process::ExitCode;
//! # use gateway_core::{Environ, Reply};
//! use gateway_server::{Listener, Sockets, auto};
//! # fn hello(_: &mut Environ) -> Reply {
//! #     Reply::text("Hello World!\n")
//! # }
//!
//! fn announced() -> io::Result<Sockets> {
//!     let sockets = Sockets::bind("127.0.0.1:8080")?;
//!     println!("listening on http://{}", sockets.local_addr()?);
//!     Ok(sockets)
//! }
//!
//! fn main() -> io::Result<ExitCode> {
//!     auto::run(announced, hello)
//! }
//! ```
//!
//! A program that has more to decide asks for the [`Start`] itself.

use std::io;
use std::process::ExitCode;

use gateway_core::Application;

use crate::{HttpService, Sockets, ToSockets, block_on, cgi, fastcgi, http as http_server, scgi};

/// Serves a blocking application in whichever way this process was started for.
///
/// It starts a runtime where there is something to listen for, and must not be called inside one.
/// The exit code and the end are those of [`block_on`].
///
/// # Errors
///
/// As [`Start::detect`] and [`Start::run`].
pub fn run(sockets: impl ToSockets, application: impl Application) -> io::Result<ExitCode> {
    Start::detect()?.run(sockets, application)
}

/// As [`run`], for a tower service.
///
/// # Errors
///
/// As [`run`].
pub fn run_service(sockets: impl ToSockets, service: impl HttpService) -> io::Result<ExitCode> {
    Start::detect()?.run_service(sockets, service)
}

/// How the program was started. What there is to listen on comes with it, in a server whose settings the
/// program may change.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # use gateway_core::{Environ, Reply};
/// use gateway_server::auto::Start;
/// # fn hello(_: &mut Environ) -> Reply {
/// #     Reply::text("Hello World!\n")
/// # }
///
/// fn main() -> std::io::Result<ExitCode> {
///     let start = match Start::detect()? {
///         // For a front end that puts the whole path into SCRIPT_NAME.
///         Start::FastCgi(server) => Start::FastCgi(server.script_name("/wiki").expect("a prefix")),
///         other => other,
///     };
///     start.run("127.0.0.1:8080", hello)
/// }
/// ```
#[derive(Debug)]
pub enum Start {
    /// A web server has started the program for one request: the variables of CGI are set.
    Cgi,
    /// On descriptor 0 (spawn-fcgi, mod_fcgid, lighttpd's `bin-path`), or on systemd's sockets where one is named
    /// `fastcgi`.
    FastCgi(fastcgi::Server),
    /// On systemd's sockets, where one is named `scgi`.
    Scgi(scgi::Server),
    /// On systemd's sockets (`LISTEN_FDS`).
    Http(http_server::Server),
    /// By a person or a supervisor, with nothing to listen on. The program is an HTTP server, and names the address
    /// itself.
    Standalone,
}

impl Start {
    /// Looks at descriptor 0 and the environment. Sockets that were handed over are taken, and can be taken once: ask
    /// once, and early.
    ///
    /// # Errors
    ///
    /// A socket that was handed over cannot be used: [`Sockets::and_listenfd`].
    pub fn detect() -> io::Result<Self> {
        let variable = |name| std::env::var(name).ok();
        #[cfg(unix)]
        if let Ok(server) = fastcgi::Server::new().and_stdin() {
            return Ok(Self::FastCgi(server));
        }
        if is_cgi(
            variable("GATEWAY_INTERFACE").as_deref(),
            variable("REQUEST_METHOD").as_deref(),
        ) {
            return Ok(Self::Cgi);
        }
        // Asked for before the sockets are taken, which takes the variables away.
        let names = variable("LISTEN_FDNAMES");
        let sockets = match Sockets::new().and_listenfd() {
            Ok(sockets) => sockets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Standalone),
            Err(error) => return Err(error),
        };
        Ok(match speak(names.as_deref()) {
            Speak::Http => Self::Http(http_server::Server::on(sockets)),
            Speak::FastCgi => Self::FastCgi(fastcgi::Server::on(sockets)),
            Speak::Scgi => Self::Scgi(scgi::Server::on(sockets)),
        })
    }

    /// Whether requests come through a web server that speaks CGI, FastCGI or SCGI, which says in each where the program is
    /// mounted (SCRIPT_NAME).
    #[must_use]
    pub fn is_behind_web_server(&self) -> bool {
        match self {
            Self::Cgi | Self::FastCgi(_) | Self::Scgi(_) => true,
            Self::Http(_) | Self::Standalone => false,
        }
    }

    /// Serves a blocking application in this way; on `sockets` where there are no others.
    ///
    /// # Errors
    ///
    /// As [`http::run`](http_server::run) and [`cgi::run`].
    pub fn run(
        self,
        sockets: impl ToSockets,
        application: impl Application,
    ) -> io::Result<ExitCode> {
        match self {
            Self::Cgi => cgi::run(application),
            start => start.listen(sockets, application.into_service()),
        }
    }

    /// As [`run`](Self::run), for a tower service.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_service(
        self,
        sockets: impl ToSockets,
        service: impl HttpService,
    ) -> io::Result<ExitCode> {
        match self {
            Self::Cgi => cgi::run_service(service),
            start => start.listen(sockets, service),
        }
    }

    fn listen(self, sockets: impl ToSockets, service: impl HttpService) -> io::Result<ExitCode> {
        block_on(async {
            match self {
                Self::FastCgi(server) => server.serve(service).await,
                Self::Scgi(server) => server.serve(service).await,
                Self::Http(server) => server.serve(service).await,
                Self::Standalone | Self::Cgi => http_server::serve(sockets, service).await,
            }
        })
    }
}

/// What is spoken on sockets that were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speak {
    Http,
    FastCgi,
    Scgi,
}

/// RFC 3875 4.1.4 and 4.1.12: both are always set.
fn is_cgi(gateway_interface: Option<&str>, request_method: Option<&str>) -> bool {
    gateway_interface.is_some_and(|version| version.starts_with("CGI/")) && request_method.is_some()
}

/// By the first name that is a protocol's (`FileDescriptorName=fastcgi` in the `.socket` unit).
fn speak(names: Option<&str>) -> Speak {
    let names = names.unwrap_or_default().split(':');
    let mut known = names.filter_map(|name| match name {
        "fastcgi" => Some(Speak::FastCgi),
        "scgi" => Some(Speak::Scgi),
        "http" => Some(Speak::Http),
        _ => None,
    });
    known.next().unwrap_or(Speak::Http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgi_is_told_by_both_of_its_variables() {
        assert!(is_cgi(Some("CGI/1.1"), Some("GET")));
        for (interface, method) in [
            (None, Some("GET")),
            (Some("CGI/1.1"), None),
            (Some("x"), Some("GET")),
        ] {
            assert!(!is_cgi(interface, method));
        }
    }

    #[test]
    fn sockets_that_were_handed_over_speak_what_they_are_named_for() {
        for (names, expected) in [
            (None, Speak::Http),
            (Some(""), Speak::Http),
            (Some("app.socket"), Speak::Http),
            (Some("fastcgi"), Speak::FastCgi),
            (Some("app.socket:scgi"), Speak::Scgi),
            (Some("http:fastcgi"), Speak::Http),
        ] {
            assert_eq!(speak(names), expected, "{names:?}");
        }
    }
}
