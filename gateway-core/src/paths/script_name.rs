use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{InvalidUri, PathAndQuery};
use percent_encoding::percent_decode_str;

/// The path the client asked for, recorded once, so that SCRIPT_NAME can be told at any depth.
///
/// Tower services see in `request.uri().path()` only what is *below the present mount*: axum's
/// `nest`, tower-http's `ServeDir` and our own [`mount`](crate::mount()) agree on that. What stands
/// in front of it is the SCRIPT_NAME of RFC 3875 section 4.1.13, and it is derived: the present
/// path is a suffix of the recorded one, and SCRIPT_NAME is the rest. So there are no two
/// values to keep in step, and mounts may be stacked in any order, ours or not.
///
/// | recorded | present | SCRIPT_NAME | PATH_INFO |
/// |---|---|---|---|
/// | `/wiki/Page` | `/Page` | `/wiki` | `/Page` |
/// | `/wiki/` | `/` | `/wiki` | `/` |
/// | `/wiki` | `/` (`http` cannot hold an empty path) | `/wiki` | empty |
/// | `/w%69ki/a%2Fb` | `/a%2Fb` | `/w%69ki` | `/a%2Fb` |
/// | `/old` | `/new` (rewritten, so the record is stale) | empty | `/new` |
/// | `*` | `*` | empty | empty |
///
/// All of these are *raw*, percent-encoded as they came.
#[derive(Clone, PartialEq, Eq)]
pub struct ScriptName {
    // Shared with the request's own `Uri`, not copied.
    recorded: PathAndQuery,
}

impl ScriptName {
    /// Records the path of `uri` as the one the client asked for.
    #[must_use]
    pub fn record(uri: &Uri) -> Self {
        let recorded = uri.path_and_query().cloned();
        Self {
            // The authority form (CONNECT) has no path; "*" is how `http` spells none.
            recorded: recorded.unwrap_or_else(|| PathAndQuery::from_static("*")),
        }
    }

    /// Records a path that is `script_name` in front of the path of `uri`: what a gateway knows
    /// that mounted us, such as FastCGI's SCRIPT_NAME or a trusted proxy's prefix.
    ///
    /// `script_name` is raw (percent-encoded). A trailing slash is dropped.
    ///
    /// # Errors
    ///
    /// `script_name` does not begin with a single `/` (unless it is empty), or holds bytes that
    /// no URI may hold, or the whole is longer than a URI may be (65,534 bytes).
    pub fn below(script_name: &str, uri: &Uri) -> Result<Self, InvalidScriptName> {
        let below = Self::join(script_name, path_of(uri))?;
        // `*` and the authority form are below nothing.
        Ok(if path_of(uri).is_empty() {
            Self::record(uri)
        } else {
            below
        })
    }

    /// Records `script_name` + `path_info`, both raw. Unlike in a `Uri`, `path_info` may be empty.
    ///
    /// # Errors
    ///
    /// As [`below`](Self::below).
    pub fn join(script_name: &str, path_info: &str) -> Result<Self, InvalidScriptName> {
        let prefix = script_name.strip_suffix('/').unwrap_or(script_name);
        let sound = prefix.is_empty() || (prefix.starts_with('/') && !prefix.starts_with("//"));
        if !sound || prefix.contains(['?', '#']) || path_info.contains(['?', '#']) {
            return Err(InvalidScriptName { source: None });
        }
        if prefix.is_empty() && path_info.is_empty() {
            // "*" is the one target without a path that `http` can hold.
            return Ok(Self {
                recorded: PathAndQuery::from_static("*"),
            });
        }
        let whole = format!("{prefix}{path_info}");
        match PathAndQuery::try_from(whole) {
            Ok(recorded) => Ok(Self { recorded }),
            Err(source) => Err(InvalidScriptName {
                source: Some(source),
            }),
        }
    }

    /// The raw path the client asked for, without the query. Empty for `*`.
    #[must_use]
    pub fn client_path(&self) -> &str {
        slashed(self.recorded.path())
    }

    /// SCRIPT_NAME and PATH_INFO when `present` is what `uri.path()` says now; `None` when the
    /// record is stale, that is, when `present` is no longer a suffix of it.
    #[must_use]
    pub fn split(&self, present: &str) -> Option<Split<'_>> {
        Split::of(self.client_path(), slashed(present))
    }

    /// The recorded path itself, for code that keeps a position in it.
    pub(crate) fn into_recorded(self) -> PathAndQuery {
        self.recorded
    }
}

impl fmt::Debug for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScriptName")
            .field(&self.client_path())
            .finish()
    }
}

/// A raw path in its two halves: `script_name` + `path_info` is always the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// What the mounts above have taken, percent-encoded as it came. Empty at the root.
    pub script_name: &'a str,
    /// What is left for the application, percent-encoded as it came. May be empty.
    pub path_info: &'a str,
}

impl<'a> Split<'a> {
    pub(crate) fn of(recorded: &'a str, present: &str) -> Option<Self> {
        if let Some(script_name) = recorded.strip_suffix(present)
            && (!present.is_empty() || recorded.is_empty())
        {
            let path_info = recorded.get(script_name.len()..)?;
            return Some(Self {
                script_name,
                path_info,
            });
        }
        // Below a mount `http` has no way to say "nothing left", and every stripper writes "/".
        (present == "/").then_some(Self {
            script_name: recorded,
            path_info: "",
        })
    }

    /// For a request whose path was not recorded, or whose record is stale.
    pub(crate) const fn unmounted(present: &'a str) -> Self {
        Self {
            script_name: "",
            path_info: present,
        }
    }
}

/// `script_name` cannot stand in front of a path.
#[derive(Debug)]
pub struct InvalidScriptName {
    source: Option<InvalidUri>,
}

impl fmt::Display for InvalidScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a script name is empty or a path that begins with one slash")
    }
}

impl std::error::Error for InvalidScriptName {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// A literal mount prefix, compared segment by segment after decoding.
///
/// `/wiki` matches `/wiki`, `/wiki/Page` and `/w%69ki/Page`, but not `/wikipedia`, `//wiki` or
/// `/wiki%2FPage`. A prefix is written decoded, as a person reads it (`/café`), and matches every
/// spelling of it. The empty prefix (also `/`) matches every path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    // Decoded, begins with '/' and does not end with it, or empty.
    text: Box<str>,
}

impl Prefix {
    /// A prefix from its decoded text.
    ///
    /// # Errors
    ///
    /// The text neither is empty nor begins with `/`, or has an empty segment (`//`) before its
    /// end. One trailing slash is accepted and dropped.
    pub fn new(text: &str) -> Result<Self, InvalidPrefix> {
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let mut segments = trimmed.split('/');
        let rooted = segments.next() == Some("");
        if !rooted || segments.any(str::is_empty) {
            return Err(InvalidPrefix { text: text.into() });
        }
        Ok(Self {
            text: trimmed.into(),
        })
    }

    /// The prefix as it was written, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The length in bytes of the part of the raw `path` that is this prefix, if it is one.
    #[must_use]
    pub fn matched_in(&self, path: &str) -> Option<usize> {
        if self.text.is_empty() {
            return path.starts_with('/').then_some(0);
        }
        // The usual spelling needs no decoding. A prefix with a `%` does: a path spells that as `%25`.
        if let Some(rest) = path.strip_prefix(&*self.text)
            && (rest.is_empty() || rest.starts_with('/'))
            && !self.text.contains('%')
        {
            return Some(self.text.len());
        }
        let mut end = 0;
        // `split` yields an empty piece first: what precedes the first slash.
        let mut given = path.split('/').skip(1);
        if !path.starts_with('/') {
            return None;
        }
        for wanted in self.text.split('/').skip(1) {
            let segment = given.next()?;
            if !percent_decode_str(segment).eq(wanted.bytes()) {
                return None;
            }
            end += 1 + segment.len();
        }
        Some(end)
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        Self::new(text)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A mount prefix that does not begin with `/`, or has an empty segment.
#[derive(Debug)]
pub struct InvalidPrefix {
    text: Box<str>,
}

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a mount prefix: it is empty or begins with one slash, without empty segments",
            self.text
        )
    }
}

impl std::error::Error for InvalidPrefix {}

/// The path of `uri`, and nothing for `*` and the authority form, which have none.
pub(crate) fn path_of(uri: &Uri) -> &str {
    slashed(uri.path())
}

fn slashed(path: &str) -> &str {
    if path.starts_with('/') { path } else { "" }
}

/// `uri` with `path` in place of its path; the query and an absolute form stay.
///
/// An empty path becomes `/`: `http` cannot hold another. What the client really asked for stays
/// with the recorded [`ScriptName`](crate::paths::ScriptName).
pub(crate) fn below(uri: &Uri, path: &str) -> Uri {
    let path = if path.is_empty() { "/" } else { path };
    // `http` cannot share a slice of a path: this copy is the one allocation of a mount.
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    // A part of a valid path that begins with a slash is a valid path.
    parts.path_and_query = Some(target.unwrap_or_else(|_| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}
