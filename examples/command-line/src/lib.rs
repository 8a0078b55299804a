//! The command line that most examples share: `[--bind ADDRESS]`, `[--help]`; and for some `--tls-cert` with `--tls-key`.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Termination};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Serve {
        address: String,
        certificate: Option<Certificate>,
    },
    Help,
}

/// The PEM files that a program is to speak HTTPS by.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, with those of the authorities behind it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Runs `serve` with the address that `--bind` names, or else with `default`. An error ends the program with one
/// sentence on standard error and exit code 1, a wrong argument with exit code 2.
pub fn run<T, E>(default: &str, serve: impl FnOnce(&str) -> Result<T, E>) -> ExitCode
where
    T: Termination,
    E: Display,
{
    run_program(default, Offers::Http, |address, _| serve(address))
}

/// As [`run`], for a program that speaks HTTPS where `--tls-cert` and `--tls-key` name a certificate.
pub fn run_with_tls<T, E>(
    default: &str,
    serve: impl FnOnce(&str, Option<Certificate>) -> Result<T, E>,
) -> ExitCode
where
    T: Termination,
    E: Display,
{
    run_program(default, Offers::Https, serve)
}

/// What the program can be asked for.
#[derive(Clone, Copy)]
enum Offers {
    Http,
    Https,
}

impl Offers {
    fn usage(self, program: &str) -> String {
        let tls = match self {
            Self::Http => "",
            Self::Https => " [--tls-cert FILE --tls-key FILE]",
        };
        format!("usage: {program} [--bind ADDRESS]{tls}")
    }

    fn help(self, default: &str) -> String {
        let tls = match self {
            Self::Http => "",
            Self::Https => {
                "\n  --tls-cert FILE  speak HTTPS by the certificate in this PEM file, which may be replaced at any time\n  \
                 --tls-key FILE   and its private key"
            }
        };
        format!(
            "  --bind ADDRESS  where to listen (default {default}; port 0 takes a free one){tls}"
        )
    }
}

fn run_program<T, E>(
    default: &str,
    offers: Offers,
    serve: impl FnOnce(&str, Option<Certificate>) -> Result<T, E>,
) -> ExitCode
where
    T: Termination,
    E: Display,
{
    let mut arguments = std::env::args_os();
    let program = arguments
        .next()
        .map_or_else(String::new, |path| name(&path));
    // A web server may make arguments of a CGI program of the query string (RFC 3875 4.4): they are the client's.
    let asked = if std::env::var_os("GATEWAY_INTERFACE").is_some() {
        parse([], default, offers)
    } else {
        parse(arguments, default, offers)
    };
    let usage = offers.usage(&program);
    match asked {
        Ok(Asked::Serve {
            address,
            certificate,
        }) => serve(&address, certificate).map_or_else(
            |error| {
                eprintln!("{program}: {}", sentence(&address, &error.to_string()));
                ExitCode::FAILURE
            },
            Termination::report,
        ),
        Ok(Asked::Help) => {
            // `println` would panic where the reader goes away early: `--help | head -1`.
            _ = writeln!(io::stdout(), "{usage}\n\n{}", offers.help(default));
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{program}: {wrong}\n{usage}");
            ExitCode::from(2)
        }
    }
}

fn name(path: &OsString) -> String {
    let name = Path::new(path).file_stem().unwrap_or(path);
    name.to_string_lossy().into_owned()
}

/// `--bind ADDRESS`, `--bind=ADDRESS`, or an address alone; and so the others.
fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    default: &str,
    offers: Offers,
) -> Result<Asked, String> {
    let mut arguments = arguments
        .into_iter()
        .map(|argument| argument.to_string_lossy().into_owned());
    let mut address = default.to_owned();
    let (mut chain, mut key) = (None, None);
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (&*argument, None),
        };
        let mut value = |what: &str| {
            let value = inline.clone().or_else(|| arguments.next());
            value.ok_or_else(|| format!("{name} needs {what}"))
        };
        match (name, offers) {
            ("--help" | "-h", _) => return Ok(Asked::Help),
            ("--bind", _) => address = value("an address")?,
            ("--tls-cert", Offers::Https) => chain = Some(PathBuf::from(value("a file")?)),
            ("--tls-key", Offers::Https) => key = Some(PathBuf::from(value("a file")?)),
            _ if name.starts_with('-') => return Err(format!("unknown option {argument}")),
            _ => address = argument,
        }
    }
    let certificate = match (chain, key) {
        (Some(chain), Some(key)) => Some(Certificate { chain, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err("--tls-cert and --tls-key go together".to_owned());
        }
    };
    Ok(Asked::Serve {
        address,
        certificate,
    })
}

/// The error of a socket does not always say which.
fn sentence(address: &str, error: &str) -> String {
    if error.contains(address) {
        error.to_owned()
    } else {
        format!("cannot serve on {address}: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        let arguments = line.split_whitespace().map(Into::into);
        parse(arguments, "127.0.0.1:8080", Offers::Https)
    }

    fn serve(address: &str, certificate: Option<(&str, &str)>) -> Asked {
        Asked::Serve {
            address: address.to_owned(),
            certificate: certificate.map(|(chain, key)| Certificate {
                chain: chain.into(),
                key: key.into(),
            }),
        }
    }

    #[test]
    fn a_certificate_has_a_key() {
        let both = serve("127.0.0.1:8080", Some(("a.pem", "b.pem")));
        assert_eq!(asked("--tls-cert a.pem --tls-key=b.pem"), Ok(both));
        for line in ["--tls-cert a.pem", "--tls-key b.pem"] {
            assert!(asked(line).unwrap_err().contains("together"), "{line}");
        }
        let arguments = ["--tls-cert=a.pem".into()];
        let wrong = parse(arguments, "127.0.0.1:8080", Offers::Http).unwrap_err();
        assert_eq!(wrong, "unknown option --tls-cert=a.pem");
    }

    #[test]
    fn the_address_is_an_option_with_a_default() {
        for (line, address) in [
            ("", "127.0.0.1:8080"),
            ("--bind [::1]:0", "[::1]:0"),
            ("--bind=/run/app.sock", "/run/app.sock"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
        ] {
            assert_eq!(asked(line), Ok(serve(address, None)), "{line}");
        }
        assert_eq!(asked("--help"), Ok(Asked::Help));
        assert_eq!(asked("--bind 127.0.0.1:0 -h"), Ok(Asked::Help));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(asked("--bind"), Err("--bind needs an address".to_owned()));
        assert_eq!(asked("--bnd=x"), Err("unknown option --bnd=x".to_owned()));
    }

    #[test]
    fn an_error_names_the_address_once() {
        let bound = "cannot listen on 127.0.0.1:80: Permission denied";
        assert_eq!(sentence("127.0.0.1:80", bound), bound);
        assert_eq!(
            sentence("127.0.0.1:80", "Permission denied"),
            "cannot serve on 127.0.0.1:80: Permission denied"
        );
    }
}
