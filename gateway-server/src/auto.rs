use std::io;
use std::process::ExitCode;

use gateway_core::Application;

use crate::shutdown::Signals;
use crate::{HttpService, Sockets, ToSockets, block_on, cgi, fastcgi, http as http_server, scgi};

/// How a program was started, told by what it finds.
#[derive(Debug)]
enum Start {
    /// Descriptor 0 is a listening socket: spawn-fcgi, mod_fcgid, lighttpd's `bin-path`.
    FastCgi(Box<fastcgi::Server>),
    /// A web server has set the variables of a request.
    Cgi,
    /// `LISTEN_FDS`: systemd has opened the sockets, and may have named them.
    Handed(Speak, Sockets),
    /// By a person, or by a supervisor.
    Plain,
}

/// What is spoken on sockets that were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speak {
    Http,
    FastCgi,
    Scgi,
}

impl Start {
    fn find() -> io::Result<Self> {
        let variable = |name| std::env::var(name).ok();
        #[cfg(unix)]
        if let Ok(server) = fastcgi::Server::new().and_stdin() {
            return Ok(Self::FastCgi(Box::new(server)));
        }
        if is_cgi(
            variable("GATEWAY_INTERFACE").as_deref(),
            variable("REQUEST_METHOD").as_deref(),
        ) {
            return Ok(Self::Cgi);
        }
        // Asked for before the sockets are taken, which takes the variables away.
        let names = variable("LISTEN_FDNAMES");
        match Sockets::new().and_listenfd() {
            Ok(sockets) => Ok(Self::Handed(speak(names.as_deref()), sockets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Plain),
            Err(error) => Err(error),
        }
    }
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

/// Serves a blocking application in whichever way this process was started for, so that one binary
/// deploys anywhere:
///
/// | what it finds | what it does |
/// |---|---|
/// | descriptor 0 is a listening socket (mod_fcgid, spawn-fcgi, lighttpd's `bin-path`) | FastCGI on it |
/// | GATEWAY_INTERFACE and REQUEST_METHOD (`ScriptAlias`) | CGI: answers the one request |
/// | LISTEN_FDS (systemd) | HTTP on those sockets; FastCGI or SCGI where LISTEN_FDNAMES says `fastcgi` or `scgi` |
/// | none of these | HTTP on `sockets`: `"127.0.0.1:8080"`, `"/run/app.sock"` |
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use gateway_core::{Environ, Reply};
///
/// fn hello(_: &mut Environ) -> Reply {
///     Reply::text("Hello World!\n")
/// }
///
/// fn main() -> std::io::Result<ExitCode> {
///     gateway_server::auto("127.0.0.1:8080", hello)
/// }
/// ```
///
/// It starts a runtime where there is something to listen for, and must not be called inside one.
/// The exit code and the end are those of [`block_on`].
///
/// # Errors
///
/// `sockets` cannot be bound, or what [`cgi::run`] says.
pub fn auto(sockets: impl ToSockets, application: impl Application) -> io::Result<ExitCode> {
    match Start::find()? {
        Start::Cgi => cgi::run(application).map(|()| ExitCode::SUCCESS),
        start => listen(start, sockets, application.into_service()),
    }
}

/// As [`auto`](auto()), for a tower service.
///
/// # Errors
///
/// As [`auto`](auto()).
pub fn auto_service(sockets: impl ToSockets, service: impl HttpService) -> io::Result<ExitCode> {
    match Start::find()? {
        Start::Cgi => cgi::run_service(service).map(|()| ExitCode::SUCCESS),
        start => listen(start, sockets, service),
    }
}

fn listen(
    start: Start,
    sockets: impl ToSockets,
    service: impl HttpService,
) -> io::Result<ExitCode> {
    block_on(async {
        match start {
            Start::FastCgi(server) => server.serve(service).await,
            Start::Handed(Speak::FastCgi, sockets) => {
                fastcgi::Server::on(sockets).serve(service).await
            }
            Start::Handed(Speak::Scgi, sockets) => scgi::Server::on(sockets).serve(service).await,
            Start::Handed(Speak::Http, sockets) => {
                http_server::Server::new()
                    .and_listener(sockets)
                    .serve(service)
                    .await
            }
            Start::Plain | Start::Cgi => {
                // Binding may announce the address, so listen for signals first.
                let signals = Signals::listen()?;
                http_server::Server::new()
                    .and_listener(sockets.to_sockets()?)
                    .signals(signals)
                    .serve(service)
                    .await
            }
        }
    })
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
