//! The CGI program that is measured: what a person deploys, with nothing of the bench in it.

#[path = "../greet.rs"]
mod greet;

fn main() -> std::io::Result<std::process::ExitCode> {
    gateway_server::cgi::run(greet::greet)
}
