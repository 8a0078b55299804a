//! What the gateway tells the application: wsgiref's `demo_app` for today.
//!
//! `environ http HOST:PORT` answers every path with the request's CGI variables as JSON. The
//! request header `X-Demo` asks for other things; see the README.

mod demo;

use std::io;
use std::process::{ExitCode, Termination};

use gateway_core::Application;
use gateway_server::{Outcome, http::Server};

const USAGE: &str = "usage: environ http HOST:PORT";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["http", address] => http(address).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(outcome) => outcome.report(),
        Err(error) => {
            eprintln!("environ: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn http(address: &str) -> io::Result<Outcome> {
    let server = Server::bind(address)?;
    println!("listening on http://{}", server.local_addr()?);
    server.serve(demo::application.into_service()).await
}
