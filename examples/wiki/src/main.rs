//! The command line of the wiki.

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use gateway_core::paths::Prefix;
use gateway_core::{Body, Error};
use gateway_server::auto::Start;
use gateway_server::http::Server;
use gateway_server::tls::Tls;
use gateway_server::{Sockets, ToSockets};
use http::Response;
use lexopt::Parser;
use tower::ServiceBuilder;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use wiki::hosts::Hosts;
use wiki::stack::{EDITS_A_MINUTE, Settings, braked, url_path};
use wiki::urls::urls;

const USAGE: &str = "\
usage: wiki [--bind 127.0.0.1:8080] [--host NAME]... [--data DIR] [--script-name /wiki] [--edits 60]
            [--development] [--tls-cert FILE --tls-key FILE]

  --bind ADDRESS      where to listen (default 127.0.0.1:8080; port 0 takes a free one)
  --host NAME         a name or an address by which it is asked for over HTTP, besides that of
                      --bind and those of this machine's loopback; may be repeated
  --data DIR          where the pages are kept (default $WIKI_DATA, or wiki-data)
  --script-name PATH  where the wiki is mounted (default /wiki; / for the root)
  --edits N           forms that one address may send a minute, after a hundred at once (default 60;
                      0 for any number)
  --development       show tracebacks, to requests from this machine only
  --tls-cert FILE     speak HTTPS by the certificate in this PEM file, which may be replaced at
                      any time
  --tls-key FILE      and its private key

Started by a web server it speaks CGI or FastCGI, and is mounted where that says.
";

/// What the command line says.
struct Options {
    bind: String,
    hosts: Vec<String>,
    data: PathBuf,
    script_name: Option<String>,
    edits: u32,
    development: bool,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
}

impl Options {
    /// `None` where help was asked for.
    fn parse(mut arguments: Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::{Long, Short, ValueExt};

        let mut options = Self {
            bind: "127.0.0.1:8080".to_owned(),
            hosts: Vec::new(),
            data: std::env::var_os("WIKI_DATA")
                .unwrap_or_else(|| "wiki-data".into())
                .into(),
            script_name: None,
            edits: EDITS_A_MINUTE,
            development: false,
            tls_cert: None,
            tls_key: None,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("bind") => options.bind = arguments.value()?.string()?,
                Long("host") => options.hosts.push(arguments.value()?.string()?),
                Long("data") => options.data = arguments.value()?.into(),
                Long("script-name") => options.script_name = Some(arguments.value()?.string()?),
                Long("edits") => options.edits = arguments.value()?.parse()?,
                Long("development") => options.development = true,
                Long("tls-cert") => options.tls_cert = Some(arguments.value()?.into()),
                Long("tls-key") => options.tls_key = Some(arguments.value()?.into()),
                Long("help") | Short('h') => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        if options.tls_cert.is_some() != options.tls_key.is_some() {
            return Err("--tls-cert and --tls-key go together".into());
        }
        Ok(Some(options))
    }

    /// Where the wiki is mounted. A web server that starts us says so itself, in SCRIPT_NAME.
    fn mount(&self, start: &Start) -> Result<Prefix, Error> {
        let default = if start.is_behind_web_server() {
            ""
        } else {
            "/wiki"
        };
        let name = self.script_name.as_deref().unwrap_or(default);
        // Clients resolve these before they ask, so no request would ever arrive.
        if name
            .split('/')
            .any(|segment| segment == "." || segment == "..")
        {
            return Err(Error::msg(format!(
                "no client can ask for a path like `{name}`"
            )));
        }
        Ok(Prefix::new(name)?)
    }
}

/// Under CGI a web server may make arguments of a query string that has no `=` (RFC 3875 4.4). They
/// are the client's then: `?--data+/tmp/mine`. The operator has `$WIKI_DATA`.
fn arguments(start: &Start) -> Parser {
    if matches!(start, Start::Cgi) {
        Parser::from_args(std::iter::empty::<&str>())
    } else {
        Parser::from_env()
    }
}

/// The sockets of HTTP mode. They say on standard output where they are, once they are bound; in
/// the other modes, where standard output may be the response, they are not made.
struct Announced {
    scheme: &'static str,
    bind: String,
    mount: Prefix,
    development: bool,
}

impl ToSockets for Announced {
    fn to_sockets(self) -> io::Result<Sockets> {
        let sockets = self.bind.as_str().to_sockets()?;
        let addr = sockets
            .local_addrs()
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        // A closed standard output is no reason not to serve.
        let _ = self.announce(&addr, &mut io::stdout().lock());
        Ok(sockets)
    }
}

impl Announced {
    fn announce(&self, addr: &str, out: &mut impl Write) -> io::Result<()> {
        let top = format!("{}://{addr}{}/", self.scheme, url_path(&self.mount));
        writeln!(out, "listening on {top}\n")?;
        if let Ok(router) = urls() {
            writeln!(
                out,
                "Routes below {}/, the first that matches wins:",
                self.mount
            )?;
            for line in router.to_string().lines() {
                writeln!(out, "  {line}")?;
            }
        }
        if self.development {
            writeln!(out, "\nBreak something: {top}break")?;
        }
        if io::stdout().is_terminal() {
            writeln!(out, "\nCtrl+C ends.")?;
        }
        out.flush()
    }
}

fn run(start: Start, options: Options) -> Result<ExitCode, Error> {
    let mount = options.mount(&start)?;
    let hosts = Hosts::new(&options.bind, &options.hosts)?;
    let hosts = hosts.advice("The option --host {host} makes it answer to that.");
    let Options {
        bind,
        data,
        edits,
        development,
        tls_cert,
        tls_key,
        ..
    } = options;
    let tls = tls_cert.zip(tls_key);
    let tls = tls.map(|(chain, key)| Tls::pem(chain, key)).transpose()?;
    let sockets = Announced {
        scheme: if tls.is_some() { "https" } else { "http" },
        bind,
        mount: mount.clone(),
        development,
    };
    let settings = Settings {
        data,
        mount,
        development,
    };
    let wiki = braked(settings, edits)?;
    let service = ServiceBuilder::new()
        .layer(ValidateRequestHeaderLayer::custom(hosts))
        .map_response(|response: Response<_>| response.map(Body::new))
        .service(wiki);
    let Some(tls) = tls else {
        return Ok(start.run_service(sockets, service)?);
    };
    let server = match start {
        Start::Standalone => Server::on(sockets.to_sockets()?),
        Start::Http(server) => server,
        Start::Cgi | Start::FastCgi(_) | Start::Scgi(_) => {
            return Err(Error::msg("behind a web server TLS is that server's"));
        }
    };
    Ok(gateway_server::block_on(server.tls(tls).serve(service))?)
}

fn log() {
    use tracing_subscriber::EnvFilter;

    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // Standard output is for people and, under CGI, for the response.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
}

fn main() -> ExitCode {
    let start = match Start::detect() {
        Ok(start) => start,
        Err(error) => {
            eprintln!("wiki: {error}");
            return ExitCode::FAILURE;
        }
    };
    let options = match Options::parse(arguments(&start)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("wiki: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    log();
    match run(start, options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wiki: {error}");
            ExitCode::FAILURE
        }
    }
}
