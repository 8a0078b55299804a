use std::process::ExitCode;

use gateway_core::{Environ, Reply};

fn hello(_: &mut Environ) -> Reply {
    Reply::text("hello")
}

fn main() -> std::io::Result<ExitCode> {
    gateway_server::http::run(8080, hello)
}
