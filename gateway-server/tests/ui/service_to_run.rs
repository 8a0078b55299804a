use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    gateway_server::http::run("127.0.0.1:0", axum::Router::new())
}
