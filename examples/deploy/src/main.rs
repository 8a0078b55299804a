//! One binary for every way of deploying: the article's `myapplication.fcgi`.
//!
//! Started by Apache as CGI, by mod_fcgid or lighttpd as FastCGI, by systemd with a socket, or by
//! hand, it finds out which. The configurations beside it do that.

use std::process::ExitCode;

use gateway_core::{Environ, Reply, escape};

fn application(environ: &mut Environ) -> Reply {
    match environ.shift_path_info().as_deref() {
        None | Some("") => index(),
        Some("hello") => hello(environ),
        Some("environ") => variables(environ),
        Some(_) => Reply::not_found(),
    }
}

fn index() -> Reply {
    Reply::html("<h1>My application</h1>\n<p><a href=\"hello/John\">continue</a></p>\n")
}

fn hello(environ: &mut Environ) -> Reply {
    let subject = environ.shift_path_info().filter(|name| !name.is_empty());
    let subject = escape(subject.as_deref().unwrap_or("World")).to_string();
    Reply::html(format!(
        "<h1>Hello {subject}</h1>\n<p>Hello {subject}!</p>\n"
    ))
}

/// What the web server says: the first thing to look at when a deployment does not work.
fn variables(environ: &Environ) -> Reply {
    let mut lines: Vec<_> = environ
        .vars()
        .map(|(name, value)| format!("{name}={}\n", value.escape_ascii()))
        .collect();
    lines.sort();
    Reply::text(lines.concat())
}

fn main() -> ExitCode {
    let default = std::env::var("ADDRESS").unwrap_or("127.0.0.1:8080".into());
    command_line::run(&default, |address| {
        gateway_server::auto::run(address, application)
    })
}
