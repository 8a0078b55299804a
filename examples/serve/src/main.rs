//! Serves the files below a directory: `python -m http.server`, but safe and fast.

mod arguments;
mod log;
mod server;

use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, USAGE};
use middleware_static::StaticFiles;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) if wrong.is_empty() => {
            let _ = io::stdout().write_all(USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprint!("serve: {wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime.and_then(|runtime| runtime.block_on(serve(arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serve: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> io::Result<()> {
    if !arguments.root.is_dir() {
        return Err(io::Error::other(format!(
            "{} is not a directory",
            arguments.root.display()
        )));
    }
    let listener = TcpListener::bind(&arguments.bind).await.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", arguments.bind),
        )
    })?;
    // Before the line that says so: who reads it may send a signal at once.
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on http://{}", listener.local_addr()?)?;
    stdout.flush()?;

    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let files = files(&arguments);
    if arguments.log {
        server::run(listener, log::Log::new(files), stop).await;
    } else {
        server::run(listener, files, stop).await;
    }
    Ok(())
}

fn files(arguments: &Arguments) -> StaticFiles {
    let mut files = StaticFiles::new(&arguments.root);
    if arguments.listing {
        files = files.listing();
    }
    if arguments.no_cache {
        files = files.no_cache();
    }
    if let Some(page) = &arguments.spa {
        files = files.spa(page);
    }
    if arguments.precompressed {
        files = files.precompressed();
    }
    files
}

/// As many descriptors as this user may have: the soft limit is a default for programs that use `select`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
