//! Serves the files below a directory: `python -m http.server`, but safe and fast.

mod arguments;
mod log;

use std::io::{self, Write};
use std::iter;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::process::{ExitCode, Termination};

use arguments::{Arguments, Caching, USAGE};
use gateway_server::http::Server;
use gateway_server::tls::Tls;
use gateway_server::{Listener, Outcome};
use middleware_static::{AssetManifest, StaticFiles};

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
    #[cfg(unix)]
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let stopped = runtime.and_then(|runtime| {
        let outcome = runtime.block_on(serve(&arguments))?;
        // A file system that does not answer must not keep the program alive.
        runtime.shutdown_timeout(outcome.time_left());
        Ok(outcome)
    });
    stopped.map_or_else(
        |error| {
            eprintln!("serve: {error}");
            ExitCode::FAILURE
        },
        Outcome::report,
    )
}

async fn serve(arguments: &Arguments) -> io::Result<Outcome> {
    let roots = || iter::once(&arguments.root).chain(&arguments.overlays);
    if let Some(missing) = roots().find(|root| !root.is_dir()) {
        return Err(io::Error::other(format!(
            "{} is not a directory",
            missing.display()
        )));
    }
    if let Some(page) = &arguments.spa
        && !roots().any(|root| is_below(root, page))
    {
        // Perhaps it is still being built.
        eprintln!(
            "serve: --spa {page} is no file below the root (yet): navigations to what is not there are 404"
        );
    }
    let files = files(arguments)?;
    let addrs = arguments.bind.to_socket_addrs().map_err(|error| {
        io::Error::new(error.kind(), format!("--bind {}: {error}", arguments.bind))
    })?;
    let server = Server::bind(addrs.as_slice())?;
    let addr = server.local_addr()?;
    // SIGTERM and SIGINT stop it, once what has begun is sent.
    match &arguments.tls {
        Some((chain, key)) => {
            let server = server.tls(Tls::pem(chain, key)?);
            announce(&format!("https://{addr}"))?;
            serve_on(server, files, arguments.log).await
        }
        None => {
            announce(&format!("http://{addr}"))?;
            serve_on(server, files, arguments.log).await
        }
    }
}

fn announce(url: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {url}")?;
    stdout.flush()
}

async fn serve_on<L: Listener>(
    server: Server<L>,
    files: StaticFiles,
    log: bool,
) -> io::Result<Outcome> {
    if log {
        server.serve_files(log::Log::new(files)).await
    } else {
        server.serve_files(files).await
    }
}

fn is_below(root: &Path, page: &str) -> bool {
    let page = root.join(page.trim_start_matches('/')).canonicalize();
    page.is_ok_and(|page| {
        page.is_file() && root.canonicalize().is_ok_and(|root| page.starts_with(root))
    })
}

fn files(arguments: &Arguments) -> io::Result<StaticFiles> {
    let mut files = StaticFiles::new(&arguments.root);
    for overlay in &arguments.overlays {
        files = files.overlay(overlay);
    }
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
    for rule in &arguments.caching {
        files = match rule {
            Caching::Immutable(pattern) => files.immutable(pattern),
            Caching::Value(pattern, value) => files.cache_control(pattern, value.clone()),
        };
    }
    if arguments.vite {
        files = files.assets(AssetManifest::vite(&arguments.root)?);
    }
    for pattern in &arguments.previous_builds {
        files = files.previous_builds(pattern);
    }
    Ok(files)
}

/// As many descriptors as this user may have: the soft limit is a default for programs that use `select`.
#[cfg(unix)]
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
