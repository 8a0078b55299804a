//! The command line that most examples share: `[--bind ADDRESS]`, `[--help]`.

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::process::{ExitCode, Termination};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Serve(String),
    Help,
}

/// Runs `serve` with the address that `--bind` names, or else with `default`. An error ends the program with one
/// sentence on standard error and exit code 1, a wrong argument with exit code 2.
pub fn run<T, E>(default: &str, serve: impl FnOnce(&str) -> Result<T, E>) -> ExitCode
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
        parse([], default)
    } else {
        parse(arguments, default)
    };
    let usage = format!("usage: {program} [--bind ADDRESS]");
    match asked {
        Ok(Asked::Serve(address)) => serve(&address).map_or_else(
            |error| {
                eprintln!("{program}: {}", sentence(&address, &error.to_string()));
                ExitCode::FAILURE
            },
            Termination::report,
        ),
        Ok(Asked::Help) => {
            println!(
                "{usage}\n\n  --bind ADDRESS  where to listen (default {default}; port 0 takes a free one)"
            );
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

/// `--bind ADDRESS`, `--bind=ADDRESS`, or an address alone.
fn parse(arguments: impl IntoIterator<Item = OsString>, default: &str) -> Result<Asked, String> {
    let mut arguments = arguments
        .into_iter()
        .map(|argument| argument.to_string_lossy().into_owned());
    let mut address = default.to_owned();
    while let Some(argument) = arguments.next() {
        address = match argument.as_str() {
            "--help" | "-h" => return Ok(Asked::Help),
            "--bind" => arguments.next().ok_or("--bind needs an address")?,
            option if option.starts_with('-') => match option.split_once('=') {
                Some(("--bind", address)) => address.to_owned(),
                _ => return Err(format!("unknown option {option}")),
            },
            _ => argument,
        };
    }
    Ok(Asked::Serve(address))
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
        parse(line.split_whitespace().map(Into::into), "127.0.0.1:8080")
    }

    #[test]
    fn the_address_is_an_option_with_a_default() {
        for (line, address) in [
            ("", "127.0.0.1:8080"),
            ("--bind [::1]:0", "[::1]:0"),
            ("--bind=/run/app.sock", "/run/app.sock"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
        ] {
            assert_eq!(asked(line), Ok(Asked::Serve(address.to_owned())), "{line}");
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
