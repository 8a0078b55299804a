//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use http::HeaderValue;

pub(crate) const USAGE: &str = "\
usage: serve ROOT [--overlay DIR]... [--bind 127.0.0.1:8000] [--listing] [--no-cache] [--spa FILE] [--precompressed]
             [--immutable PATTERN]... [--vite] [--previous-builds PATTERN]... [--cache-control PATTERN=VALUE]... [--log]
             [--tls-cert FILE --tls-key FILE]

Serves the files below ROOT.

  --overlay DIR      what is not below ROOT is looked for below DIR; may be repeated, the first that has a name wins
  --bind HOST:PORT   where to listen; port 0 is any free one (default: 127.0.0.1:8000)
  --listing          list directories that have no index.html
  --no-cache         keep nothing: every request asks the file system
  --spa FILE         answer navigations to what is not there with this file below ROOT
  --precompressed    send siblings with .br, .zst, .gz to clients that accept them
  --immutable PATTERN
                     files whose names change with their content, as bundlers make them: 'assets/'; browsers keep them
                     for good
  --vite             the same for the files in the manifest that Vite wrote below ROOT
  --previous-builds PATTERN
                     serve such files of other builds too, for pages that are open while a release replaces their
                     files: 'releases/*' is each directory in releases
  --cache-control PATTERN=VALUE
                     what browsers may keep: '*.css=max-age=60'; the first rule that matches counts (default: HTML is
                     no-cache)
  --log              one line for each request on stderr
  --tls-cert FILE    speak HTTPS by the certificate in this PEM file, which may be replaced at any time
  --tls-key FILE     and its private key
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) root: PathBuf,
    pub(crate) overlays: Vec<PathBuf>,
    pub(crate) bind: String,
    pub(crate) listing: bool,
    pub(crate) no_cache: bool,
    pub(crate) spa: Option<String>,
    pub(crate) precompressed: bool,
    pub(crate) caching: Vec<Caching>,
    pub(crate) vite: bool,
    pub(crate) previous_builds: Vec<PathBuf>,
    pub(crate) log: bool,
    /// A certificate and its key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

/// A rule for what browsers may keep, in the order in which they were said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// The names that this pattern matches change with their content.
    Immutable(String),
    /// A pattern, and the value of the field.
    Value(String, HeaderValue),
}

impl Caching {
    fn rule(text: &str) -> Result<Self, String> {
        let wrong = || format!("--cache-control {text}: PATTERN=VALUE is expected");
        let (pattern, value) = text.split_once('=').ok_or_else(wrong)?;
        let value = value.parse().map_err(|_| wrong())?;
        Ok(Self::Value(pattern.to_owned(), value))
    }
}

impl Arguments {
    /// Reads the arguments behind the program's name. The error is for the user; an empty one asks for help.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let mut root = None;
        let mut parsed = Self {
            root: PathBuf::new(),
            overlays: Vec::new(),
            bind: "127.0.0.1:8000".to_owned(),
            listing: false,
            no_cache: false,
            spa: None,
            precompressed: false,
            caching: Vec::new(),
            vite: false,
            previous_builds: Vec::new(),
            log: false,
            tls: None,
        };
        let (mut chain, mut key) = (None, None);
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy().into_owned();
            // `--bind=X` as well as `--bind X`.
            let (name, inline) = match text.split_once('=') {
                Some((name, value)) if name.starts_with("--") => {
                    (name.to_owned(), Some(value.to_owned()))
                }
                _ => (text, None),
            };
            let mut value = || {
                let inline = inline.clone().map(OsString::from);
                inline
                    .or_else(|| arguments.next())
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            let text = |value: OsString| value.to_string_lossy().into_owned();
            match name.as_str() {
                "--overlay" => parsed.overlays.push(value()?.into()),
                "--bind" => parsed.bind = text(value()?),
                "--spa" => parsed.spa = Some(text(value()?)),
                "--listing" => parsed.listing = true,
                "--no-cache" => parsed.no_cache = true,
                "--precompressed" => parsed.precompressed = true,
                "--immutable" => parsed.caching.push(Caching::Immutable(text(value()?))),
                "--vite" => parsed.vite = true,
                "--previous-builds" => parsed.previous_builds.push(value()?.into()),
                "--cache-control" => parsed.caching.push(Caching::rule(&text(value()?))?),
                "--log" => parsed.log = true,
                "--tls-cert" => chain = Some(value()?.into()),
                "--tls-key" => key = Some(value()?.into()),
                "-h" | "--help" => return Err(String::new()),
                unknown if unknown.starts_with('-') => {
                    return Err(format!("unknown option {unknown}"));
                }
                _ if root.is_some() => return Err("there can be only one ROOT".to_owned()),
                _ => root = Some(PathBuf::from(argument)),
            }
        }
        parsed.root = root.ok_or("ROOT is missing")?;
        if chain.is_some() != key.is_some() {
            return Err("--tls-cert and --tls-key go together".to_owned());
        }
        parsed.tls = chain.zip(key);
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn the_root_is_all_that_must_be_said() {
        let arguments = parse("www").unwrap();
        assert_eq!(arguments.root, PathBuf::from("www"));
        assert_eq!(arguments.bind, "127.0.0.1:8000");
        assert!(
            !arguments.listing && !arguments.no_cache && !arguments.precompressed && !arguments.log
        );
    }

    #[test]
    fn options_stand_anywhere() {
        let arguments =
            parse("--bind 0.0.0.0:0 --listing www --spa app.html --no-cache --precompressed --log")
                .unwrap();
        assert_eq!(arguments.bind, "0.0.0.0:0");
        assert_eq!(arguments.spa.as_deref(), Some("app.html"));
        assert!(
            arguments.listing && arguments.no_cache && arguments.precompressed && arguments.log
        );
        assert_eq!(parse("--bind=[::1]:0 www").unwrap().bind, "[::1]:0");
        let overlaid = parse("--overlay theme www --overlay=base").unwrap();
        assert_eq!(
            overlaid.overlays,
            [PathBuf::from("theme"), PathBuf::from("base")]
        );
    }

    #[test]
    fn rules_for_caching_stand_in_the_order_in_which_they_are_said() {
        let line = "www --cache-control *.css=max-age=60 --immutable=assets/ --vite --previous-builds releases/* --previous-builds=old";
        let arguments = parse(line).unwrap();
        let first = Caching::Value("*.css".to_owned(), HeaderValue::from_static("max-age=60"));
        let second = Caching::Immutable("assets/".to_owned());
        assert_eq!(arguments.caching, [first, second]);
        assert!(arguments.vite);
        assert_eq!(
            arguments.previous_builds,
            ["releases/*", "old"].map(PathBuf::from)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, word) in [
            ("", "ROOT"),
            ("a b", "one"),
            ("a --bind", "value"),
            ("a --overlay", "value"),
            ("a --bnd x", "--bnd"),
            ("a --cache-control no-cache", "PATTERN=VALUE"),
            ("a --tls-cert a.pem", "together"),
            ("a --tls-key a.pem", "together"),
        ] {
            assert!(parse(line).unwrap_err().contains(word), "{line}");
        }
    }
}
