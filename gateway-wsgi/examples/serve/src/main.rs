//! Serves any WSGI application, as gunicorn does: `serve-wsgi [OPTIONS] module:application`.

use std::error::Error;
use std::process::ExitCode;

use gateway_server::http::Server;
use gateway_wsgi::{Role, Workers, Wsgi};

const USAGE: &str = "\
serve-wsgi [OPTIONS] MODULE:APPLICATION
  --bind ADDRESS      where to listen; default 127.0.0.1:8080
  --venv PATH         the virtual environment with the application's packages
  --python-path PATH  a folder to import from; may be repeated; default: the present one
  --threads N         how many threads may be inside the application; default 64
  --workers N         how many processes; default: this one alone
  --reload            start anew when a file changes, as SIGHUP does with --workers
";

fn main() -> ExitCode {
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
    let mut bind = "127.0.0.1:8080".to_owned();
    let (mut target, mut venv, mut paths, mut threads) = (None, None, Vec::new(), None);
    let (mut workers, mut reload): (Option<usize>, bool) = (None, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("bind") => bind = arguments.value()?.string()?,
            Long("venv") => venv = Some(arguments.value()?),
            Long("python-path") => paths.push(arguments.value()?),
            Long("threads") => threads = Some(arguments.value()?.parse()?),
            Long("workers") => workers = Some(arguments.value()?.parse()?),
            Long("reload") => reload = true,
            Long("help") | Short('h') => {
                print!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            Value(value) if target.is_none() => target = Some(value.string()?),
            other => return Err(format!("{}\n{USAGE}", other.unexpected()).into()),
        }
    }
    let target = target.ok_or(USAGE)?;
    if paths.is_empty() {
        paths.push(".".into());
    }
    if reload || workers.is_some() {
        let mut workers = Workers::new(workers.unwrap_or(1));
        for path in paths.iter().filter(|_| reload) {
            workers = workers.reload(path);
        }
        if let Role::Supervisor(code) = workers.start(&*bind)? {
            return Ok(code);
        }
    }
    let mut import = Wsgi::import(target);
    for path in paths {
        import = import.python_path(path);
    }
    if let Some(venv) = venv {
        import = import.venv(venv);
    }
    if let Some(threads) = threads {
        import = import.threads(threads);
    }
    let app = import.load()?;
    // One thread for the network: Python has one, and more would wake each other.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let server = Server::listenfd_or_bind(&*bind)?;
        if !reload && workers.is_none() {
            println!("listening on http://{}", server.local_addr()?);
        }
        server.serve(app.into_service()).await
    })?;
    gateway_wsgi::finish();
    Ok(ExitCode::from(outcome.code()))
}
