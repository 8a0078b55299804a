//! What a builder refuses.

use std::fmt::{self, Write};
use std::ops::Range;

/// A place in something written by hand: printed as its line with carets below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    text: String,
    span: Range<usize>,
}

impl Place {
    pub(crate) fn new(text: &str, span: Range<usize>) -> Self {
        Self {
            text: text.into(),
            span,
        }
    }

    /// All that was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of [`text`](Self::text) that are meant; may be empty.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self
            .text
            .get(line_start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let meant = self.text.get(self.span.clone()).unwrap_or_default();
        let width = meant
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            .max(1);
        // The width of a tab is the reader's affair: copy it.
        let indent: String = before
            .get(line_start..)
            .unwrap_or_default()
            .chars()
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .take(column)
            .collect();
        write!(f, "    {line}\n    {indent}{:^<width$}", "")
    }
}

/// Text from elsewhere in a message: control characters are shown as escapes, so
/// that a client cannot write lines of its own into a log.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_debug())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Why a list of routes was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A pattern or template cannot be read.
    Syntax {
        /// Where.
        place: Place,
        /// Why.
        reason: String,
    },
    /// Two routes have one name.
    DuplicateName {
        /// The name.
        name: String,
        /// The patterns of the two routes.
        patterns: [String; 2],
    },
    /// Two groups of one pattern have one name; with `include` they may come
    /// from different places.
    DuplicateGroup {
        /// The whole pattern.
        pattern: String,
        /// The name of both groups.
        group: String,
    },
    /// A pattern matches no text at all, for example `a^b`.
    Impossible {
        /// The pattern.
        pattern: String,
        /// What is in its way, where that is known.
        reason: Option<String>,
    },
    /// A route never wins; refused on request only.
    Shadowed {
        /// Its pattern.
        pattern: String,
        /// The patterns in front of it that take all its paths.
        by: Vec<String>,
        /// One of these paths.
        example: String,
    },
    /// A pattern is larger than the limit.
    TooBig {
        /// The pattern.
        pattern: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The prefix of an include ends with `$`: nothing can follow it.
    IncludeAnchored {
        /// The prefix.
        prefix: String,
    },
    /// Of the alternatives of an included pattern some begin with `^` and some
    /// do not, so that it does not say where it begins.
    IncludeMixed {
        /// The included pattern.
        pattern: String,
    },
    /// A method, a prefix or another setting of a router that means nothing.
    Setting {
        /// What was written.
        text: String,
        /// Why it is refused.
        reason: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { place, reason } => {
                write!(
                    f,
                    "`{}` is not a route pattern: {reason}\n{place}",
                    place.text()
                )
            }
            Self::DuplicateName {
                name,
                patterns: [first, second],
            } => {
                write!(f, "two routes are named `{name}`: `{first}` and `{second}`")
            }
            Self::DuplicateGroup { pattern, group } => {
                write!(f, "`{pattern}` has two groups named `{group}`")
            }
            Self::Impossible {
                pattern,
                reason: None,
            } => write!(f, "`{pattern}` can never match"),
            Self::Impossible {
                pattern,
                reason: Some(reason),
            } => {
                write!(f, "`{pattern}` can never match: {reason}")
            }
            Self::Shadowed {
                pattern,
                by,
                example,
            } => {
                write!(
                    f,
                    "`{pattern}` never wins: `{example}` and all else that it matches is taken by "
                )?;
                for (i, pattern) in by.iter().enumerate() {
                    let separator = if i == 0 { "" } else { ", " };
                    write!(f, "{separator}`{pattern}`")?;
                }
                Ok(())
            }
            Self::TooBig { pattern, limit } => {
                write!(f, "`{pattern}` needs more than the limit of {limit} bytes")
            }
            Self::IncludeAnchored { prefix } => {
                write!(
                    f,
                    "`{prefix}` is the prefix of other routes and ends with `$`, so nothing can follow it"
                )
            }
            Self::IncludeMixed { pattern } => {
                write!(
                    f,
                    "`{pattern}` is included, but only some of its alternatives begin with `^`"
                )
            }
            Self::Setting { text, reason } => write!(f, "`{text}`: {reason}"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Why no URL could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlForError {
    /// No route has this name.
    UnknownName {
        /// The name.
        name: String,
    },
    /// A group of the pattern was given no argument.
    Missing {
        /// The pattern.
        pattern: String,
        /// The name of the group, or its number from 0.
        group: String,
    },
    /// There are more arguments than groups.
    Extra {
        /// The pattern.
        pattern: String,
        /// How many arguments the pattern takes at most.
        takes: usize,
        /// How many were given.
        given: usize,
    },
    /// No group has the name of this argument.
    UnknownArgument {
        /// The pattern.
        pattern: String,
        /// The name of the argument.
        argument: String,
    },
    /// An argument is given twice.
    Twice {
        /// The name of the argument.
        argument: String,
    },
    /// Each argument belongs to a group, but no form of the pattern has all of
    /// these groups and no others.
    NoSuchForm {
        /// The pattern.
        pattern: String,
    },
    /// An argument does not match its group.
    Unfit {
        /// The pattern.
        pattern: String,
        /// The name of the group, or its number from 0.
        group: String,
        /// The expression that the argument had to match.
        expects: String,
        /// The argument.
        value: String,
    },
    /// The arguments fit their groups, but read back from the URL they would be
    /// others, or the pattern would not match.
    Ambiguous {
        /// The pattern.
        pattern: String,
        /// The URL that was not made, decoded.
        url: String,
    },
    /// A route further up takes the URL.
    Shadowed {
        /// The pattern.
        pattern: String,
        /// The pattern of the other route.
        by: String,
        /// The URL that was not made, decoded.
        url: String,
    },
    /// A mount of the router would take the URL.
    Mounted {
        /// The prefix of the mount.
        mount: String,
        /// The URL that was not made, decoded.
        url: String,
    },
    /// The route is limited to hosts of which the one that would be asked is none.
    OtherHost {
        /// The pattern of the route.
        pattern: String,
        /// The pattern of its hosts.
        host: String,
    },
    /// What should be the query of a URL is no list of names and values.
    Query {
        /// The URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// The URL would have a segment `.` or `..`, which every client removes, or
    /// begin with `//`, which names another host, or with a slash that is not the pattern's.
    Unsafe {
        /// The URL that was not made, decoded.
        url: String,
    },
}

impl fmt::Display for UrlForError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { name } => write!(f, "no route is named `{name}`"),
            Self::Missing { pattern, group } => {
                write!(f, "`{pattern}` needs an argument for its group `{group}`")
            }
            Self::Extra {
                pattern,
                takes,
                given,
            } => {
                write!(
                    f,
                    "`{pattern}` takes {takes} arguments and was given {given}"
                )
            }
            Self::UnknownArgument { pattern, argument } => {
                write!(f, "`{pattern}` has no group `{argument}`")
            }
            Self::Twice { argument } => write!(f, "the argument `{argument}` is given twice"),
            Self::NoSuchForm { pattern } => {
                write!(
                    f,
                    "no form of `{pattern}` has exactly the groups that arguments are given for"
                )
            }
            Self::Unfit {
                pattern,
                group,
                expects,
                value,
            } => {
                write!(
                    f,
                    "`{}` does not match `{expects}`, the group `{group}` of `{pattern}`",
                    Shown(value)
                )
            }
            Self::Ambiguous { pattern, url } => {
                write!(
                    f,
                    "`{pattern}` would not read its arguments back from `{}`",
                    Shown(url)
                )
            }
            Self::Shadowed { pattern, by, url } => {
                write!(
                    f,
                    "`{}`, made from `{pattern}`, would be taken by `{by}`",
                    Shown(url)
                )
            }
            Self::Mounted { mount, url } => {
                write!(f, "`{}` would be taken by the mount `{mount}`", Shown(url))
            }
            Self::OtherHost { pattern, host } => {
                write!(f, "`{pattern}` is a route for the hosts of `{host}` alone")
            }
            Self::Query { url, reason } => write!(f, "`{}` gets no query: {reason}", Shown(url)),
            Self::Unsafe { url } => write!(f, "`{}` would not arrive as it is", Shown(url)),
        }
    }
}

impl std::error::Error for UrlForError {}
