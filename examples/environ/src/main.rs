//! What the gateway tells the application: wsgiref's `demo_app` for today.
//!
//! `environ http HOST:PORT` answers every path with the request's CGI variables as JSON, and so do
//! `fcgi`, `scgi` and `cgi` behind a web server. The request header `X-Demo` asks for other things; see the README.

mod demo;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::{ExitCode, Termination};

use gateway_core::Application;
use gateway_server::{Outcome, ToSockets, cgi, fastcgi, http, scgi};

const USAGE: &str = "usage: environ http HOST:PORT
       environ fcgi HOST:PORT
       environ scgi HOST:PORT
       environ cgi";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["http", address] => serve(http(address)),
        ["fcgi", address] => serve(fcgi(address)),
        ["scgi", address] => serve(scgi(address)),
        // Standard output is the response, and there is nothing to wait for: no runtime.
        ["cgi"] => cgi::run(demo::application).map(|()| ExitCode::SUCCESS),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("environ: {error}");
        ExitCode::FAILURE
    })
}

fn serve(server: impl Future<Output = io::Result<Outcome>>) -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(server).map(Termination::report)
}

/// Says where, to whoever started it. `println` would panic where nobody listens.
fn listening(scheme: &str, addr: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {scheme}://{addr}")
}

async fn http(address: &str) -> io::Result<Outcome> {
    let server = http::Server::bind(address)?;
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
