//! A Django site that moves to Rust, a step at a time: `strangler [--step N] [--bind ADDRESS]`.

use std::error::Error;
use std::process::ExitCode;

use gateway_server::http::Server;
use strangler::Shop;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    use lexopt::prelude::*;
    let (mut step, mut bind) = (5, "127.0.0.1:8080".to_owned());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("step") => step = arguments.value()?.parse()?,
            Long("bind") => bind = arguments.value()?.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let site = Shop::default().after(step)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let server = Server::bind(&*bind)?;
        println!("step {step} of 5: http://{}", server.local_addr()?);
        server.serve(site).await
    })?;
    gateway_wsgi::finish();
    Ok(ExitCode::from(outcome.code()))
}
