//! The settings and their defaults.

use std::time::SystemTime;

use gateway_core::paths::Prefix;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::assets::{AssetManifest, Builds};
use crate::facts::CONTENT_LIMIT;
use crate::protocol::mime;

/// Whether names that begin with a dot are served. Default: [`Dotfiles::Hide`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dotfiles {
    /// They are not found and not listed, whether they exist or not: `.env`, `.git/config`. What is below
    /// `/.well-known/` is served.
    #[default]
    Hide,
    /// They are files like others.
    Serve,
}

/// What is done about another spelling of a path that is a file's: an escape that stands for an unreserved character
/// (`%61` for `a`, RFC 3986 6.2.2.2) or has a digit in lower case (`%c3` for `%C3`). Default: [`OtherSpellings::Redirect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherSpellings {
    /// 308 to the canonical spelling, for every method: a guard in front that compares paths as they were sent sees the
    /// one that is served.
    #[default]
    Redirect,
    /// They are served as they are. Behind a proxy that spells paths in its own way a redirect would come round for ever;
    /// then no guard may stand in front that compares paths as they were sent.
    Serve,
}

/// How a client's copy of a file is compared with the file. Default: [`ValidateBy::Modified`].
///
/// A date proves nothing by itself: package managers, archives and image builders write constant ones, and copies
/// keep those of other files. A strong `ETag`, a 304 or a 206 by date stand on what the file system vouches for, or on
/// the content, which is read once for each state of a file, up to a [limit](crate::StaticFiles::content_limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValidateBy {
    /// `ETag` from the file's times, inode and size where its change time vouches for its date, as it does after
    /// every write; `Last-Modified` from the file. Where the date was set, as by `cp -p`, `rsync -t`, `tar` or `npm`, the tag
    /// comes from the content, and a request by date alone is answered with everything.
    ///
    /// The tag is weak while the file is younger than two seconds: it may change again within one tick of the file
    /// system's clock.
    #[default]
    Modified,
    /// `ETag` from the content: the same on every replica and after every deployment that changes nothing.
    /// The file is read once for it, and again when it changes.
    Content,
    /// As [`ValidateBy::Content`], and `Last-Modified` is this time for every file: the time of the build, say. It is
    /// your word that no file changes while it stands: a client that asks by date alone gets a 304.
    /// It guards no range: `If-Range` with a date is answered with everything.
    Fixed(SystemTime),
}

/// A front end that sends the file itself when an answer names it.
///
/// The front end then does what depends on the file's bytes: ranges, preconditions, compressed siblings. This
/// side decides which file, its type and its caching. Off by default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendFile {
    /// `X-Sendfile: /path/in/the/file/system`, for Apache's mod_xsendfile and lighttpd. Percent-encoded, as both expect.
    XSendfile,
    /// `X-Accel-Redirect: /prefix/path`, for nginx with an `internal` location at the prefix.
    XAccelRedirect {
        /// The prefix, as in `"/internal".parse()?`.
        prefix: Prefix,
    },
}

/// A file name pattern: `*.css` looks at the name alone, `assets/**` (with a slash) at the whole path below the root;
/// `assets/` is short for the latter.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    pattern: String,
    whole: bool,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
        let below = if pattern.ends_with('/') { "**" } else { "" };
        Self {
            pattern: format!("{pattern}{below}"),
            whole: pattern.contains('/'),
        }
    }

    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        fast_glob::glob_match(&self.pattern, if self.whole { path } else { name })
    }
}

/// What a rule for caching says of the files that it matches.
#[derive(Debug, Clone)]
pub(crate) enum Caching {
    Value(HeaderValue),
    /// The name says the content.
    Immutable,
}

/// Kept for a year without revalidation (RFC 8246).
pub(crate) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// So many descriptors are left for connections, where the process may open several times as many.
const FOR_CONNECTIONS: usize = 8_192;

/// How much a cache may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of file contents, all files together.
    pub(crate) bytes: usize,
    /// Open descriptors.
    pub(crate) descriptors: usize,
}

impl Limits {
    /// 32 MiB, and of the descriptors that this process may have a quarter, or all but 8,192 where that is more.
    pub(crate) fn of_this_process() -> Self {
        #[cfg(unix)]
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        #[cfg(not(unix))]
        let most = Some(1024);
        let most = usize::try_from(most.unwrap_or(65_536)).unwrap_or(65_536);
        let descriptors = (most / 4)
            .max(most.saturating_sub(FOR_CONNECTIONS))
            .clamp(1, 16_384);
        Self {
            bytes: 32 << 20,
            descriptors,
        }
    }
}

/// All settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) index: Vec<String>,
    pub(crate) dotfiles: Dotfiles,
    pub(crate) other_spellings: OtherSpellings,
    pub(crate) validate_by: ValidateBy,
    pub(crate) content_limit: u64,
    pub(crate) listing: bool,
    pub(crate) clean_urls: bool,
    pub(crate) spa: Option<(String, StatusCode)>,
    pub(crate) not_found: Option<String>,
    pub(crate) precompressed: bool,
    pub(crate) cache: Option<Limits>,
    pub(crate) caching: Vec<(Glob, Caching)>,
    pub(crate) builds: Builds,
    pub(crate) attachments: Vec<Glob>,
    pub(crate) types: Vec<(String, HeaderValue)>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) assets: Option<AssetManifest>,
    pub(crate) send_file: Option<SendFile>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            index: vec!["index.html".to_owned()],
            dotfiles: Dotfiles::default(),
            other_spellings: OtherSpellings::default(),
            validate_by: ValidateBy::default(),
            content_limit: CONTENT_LIMIT,
            listing: false,
            clean_urls: false,
            spa: None,
            not_found: None,
            precompressed: false,
            cache: Some(Limits::of_this_process()),
            caching: Vec::new(),
            builds: Builds::default(),
            attachments: Vec::new(),
            types: Vec::new(),
            headers: Vec::new(),
            assets: None,
            send_file: None,
        }
    }
}

impl Settings {
    pub(crate) fn content_type(&self, path: &[u8]) -> HeaderValue {
        let extension = mime::extension(path);
        let said = self
            .types
            .iter()
            .find(|(said, _)| said.as_bytes().eq_ignore_ascii_case(extension));
        said.map_or_else(|| mime::content_type(path), |(_, value)| value.clone())
    }

    pub(crate) fn cache_control(&self, path: &[u8]) -> Option<HeaderValue> {
        Some(match self.caching(path)? {
            Caching::Value(value) => value.clone(),
            Caching::Immutable => IMMUTABLE,
        })
    }

    /// Whether the program says that a file of this name never has other content.
    pub(crate) fn is_immutable(&self, path: &[u8]) -> bool {
        matches!(self.caching(path), Some(Caching::Immutable))
    }

    fn caching(&self, path: &[u8]) -> Option<&Caching> {
        let rule = self.caching.iter().find(|(glob, _)| glob.matches(path));
        rule.map(|(_, caching)| caching)
    }

    pub(crate) fn is_attachment(&self, path: &[u8]) -> bool {
        self.attachments.iter().any(|glob| glob.matches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_slash_looks_at_the_name() {
        for (pattern, path, matches) in [
            ("*.css", "a.css", true),
            ("*.css", "deep/down/a.css", true),
            ("*.css", "a.css/b", false),
            ("*.{js,css}", "x/a.js", true),
            ("assets/**", "assets/a/b.js", true),
            ("/assets/**", "assets/a.js", true),
            ("assets/", "assets/a/b.js", true),
            ("/assets/", "assets/a.js", true),
            ("assets/", "other/assets/a.js", false),
            ("assets/", "assets", false),
            ("assets/**", "other/assets/a.js", false),
            ("assets/*.js", "assets/a.js", true),
            ("assets/*.js", "assets/b/a.js", false),
            ("**", "any/thing", true),
            ("*", "any/thing", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(path.as_bytes()),
                matches,
                "{pattern} {path}"
            );
        }
    }
}
