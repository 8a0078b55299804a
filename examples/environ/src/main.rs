//! What the gateway tells the application: wsgiref's `demo_app` for today.
//!
//! `environ http HOST:PORT` answers every path with the request's CGI variables as JSON, and so do
//! `fcgi`, `scgi` and `cgi` behind a web server. The request header `X-Demo` asks for other things; see the README.

mod demo;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use gateway_core::Application;
use gateway_server::{Outcome, ToSockets, block_on, cgi, fastcgi, http, scgi};

const USAGE: &str = "\
usage: environ http HOST:PORT [--deadline SECONDS]
       environ fcgi HOST:PORT
       environ scgi HOST:PORT
       environ cgi

  --deadline SECONDS  how long requests have from a SIGTERM or SIGINT until they are cut (default 8)

The request header X-Demo asks for something else than the variables: `noread`, `read=N`, `dup`, `status=NNN`,
`stream=N,MS`, `failat=K`, `big=N`, `length=TEXT`, `sleep=SECONDS`, `error`, `errors=TEXT`, `counters`.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["http", address] => block_on(http(address, None)),
        ["http", address, "--deadline", seconds] => match seconds.parse() {
            Ok(seconds) => block_on(http(address, Some(Duration::from_secs(seconds)))),
            Err(_) => return usage(),
        },
        ["fcgi", address] => block_on(fcgi(address)),
        ["scgi", address] => block_on(scgi(address)),
        // Standard output is the response, and there is nothing to wait for: no runtime.
        ["cgi"] => cgi::run(demo::application),
        ["--help" | "-h"] => writeln!(io::stdout(), "{USAGE}").map(|()| ExitCode::SUCCESS),
        _ => return usage(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("environ: {error}");
        ExitCode::FAILURE
    })
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Announces the address on standard output. `println` would panic where that is closed.
fn listening(scheme: &str, addr: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {scheme}://{addr}")
}

async fn http(address: &str, deadline: Option<Duration>) -> io::Result<Outcome> {
    let mut server = http::Server::bind(address)?;
    if let Some(deadline) = deadline {
        server = server.shutdown_deadline(deadline);
    }
    listening("http", server.local_addr()?)?;
    server.serve(demo::application.into_service()).await
}

async fn fcgi(address: &str) -> io::Result<Outcome> {
    let server = fastcgi::Server::on(address.to_sockets()?);
    listening("fcgi", &server.local_addrs()[0])?;
    server.serve(demo::application.into_service()).await
}

async fn scgi(address: &str) -> io::Result<Outcome> {
    let server = scgi::Server::on(address.to_sockets()?);
    listening("scgi", &server.local_addrs()[0])?;
    server.serve(demo::application.into_service()).await
}
