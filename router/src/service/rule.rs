//! What a router tells about the rules of its table, with examples of requests.

use std::fmt;

use http::uri::PathAndQuery;
use http::{Method, Request};

use crate::error::BuildError;

/// A route, a mount or a host of a [`Router`](crate::Router) that no request reaches.
///
/// Prints as a sentence with the example requests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowedRule {
    /// The rule that no request reaches.
    pub rule: Rule,
    /// What takes the requests in its place, each with an example.
    pub by: Vec<Taker>,
}

/// What takes requests that another rule was written for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taker {
    /// The rule that wins.
    pub rule: Rule,
    /// A request that both rules match, and that goes to this one.
    pub example: ExampleRequest,
}

/// A line of a router's table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A route.
    Route {
        /// Its place among [`Router::routes`](crate::Router::routes).
        index: usize,
        /// Its methods, `*` for all.
        methods: String,
        /// Its pattern.
        pattern: String,
    },
    /// A mount.
    Mount {
        /// Its place among [`Router::mounts`](crate::Router::mounts).
        index: usize,
        /// Its prefix with a slash at the end.
        prefix: String,
    },
    /// The routes and mounts of a host.
    Host {
        /// Its place among [`Router::hosts`](crate::Router::hosts).
        index: usize,
        /// Its pattern.
        pattern: String,
    },
}

/// A request that shows what a router does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleRequest {
    method: Method,
    /// `None` where the router does not look at the host, or the request has none.
    host: Option<String>,
    /// As it is sent.
    path: String,
}

impl ExampleRequest {
    pub(super) fn new(method: Method, host: Option<String>, path: String) -> Self {
        Self { method, host, path }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The host, where the router looks at it.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The path, percent-encoded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The request, to ask the router with.
    pub fn to_request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        if let Ok(path) = PathAndQuery::try_from(self.path.as_str()) {
            *request.uri_mut() = path.into();
        }
        if let Some(host) = self.host.as_deref().and_then(|host| host.parse().ok()) {
            request.headers_mut().insert(http::header::HOST, host);
        }
        request
    }
}

/// `GET /about`, or `GET admin.example/about`.
impl fmt::Display for ExampleRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        write!(f, "{} {host}{}", self.method, self.path)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route {
                methods, pattern, ..
            } => write!(f, "`{methods} {pattern}`"),
            Self::Mount { prefix, .. } => write!(f, "the mount `{prefix}`"),
            Self::Host { pattern, .. } => write!(f, "the host `{pattern}`"),
        }
    }
}

impl fmt::Display for ShadowedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} never wins: ", self.rule)?;
        self.write_takers(f)
    }
}

impl ShadowedRule {
    pub(super) fn error(&self) -> BuildError {
        let example = self.by.first().map(|taker| taker.example.to_string());
        BuildError::Shadowed {
            pattern: self.rule.text().to_owned(),
            by: self
                .by
                .iter()
                .map(|taker| taker.rule.text().to_owned())
                .collect(),
            example: example.unwrap_or_default(),
        }
    }

    /// `` `GET /about` goes to `GET ^\w+$`, .. ``
    fn write_takers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Taker { rule, example }) in self.by.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}`{example}` goes to {rule}")?;
        }
        Ok(())
    }

    /// Where the requests go instead, for a line of a table.
    pub(crate) fn takers(&self) -> impl fmt::Display + '_ {
        struct Takers<'s>(&'s ShadowedRule);
        impl fmt::Display for Takers<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_takers(f)
            }
        }
        Takers(self)
    }
}

impl Rule {
    /// The pattern of a route or a host, the prefix of a mount.
    pub fn text(&self) -> &str {
        match self {
            Self::Route { pattern, .. } | Self::Host { pattern, .. } => pattern,
            Self::Mount { prefix, .. } => prefix,
        }
    }
}

/// A pattern of a [`Router`](crate::Router) that is probably not meant as it is written.
///
/// Prints as a sentence with an example request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouterWarning {
    /// The pattern of a route has no `$`, so it also matches every longer path: `^about` takes
    /// `/about-us` from the routes below it.
    OpenEnd {
        /// The route.
        rule: Rule,
        /// Such a request, which the route takes.
        example: Option<ExampleRequest>,
    },
    /// The pattern of a host has no `^` or no `$`, so that it also matches hosts of others:
    /// `example\.com$` matches `notexample.com`. One that ends with `\.` is meant so.
    OpenHost {
        /// The host.
        rule: Rule,
        /// A request to such a host.
        example: ExampleRequest,
    },
}

impl RouterWarning {
    /// The route or the host.
    pub fn rule(&self) -> &Rule {
        match self {
            Self::OpenEnd { rule, .. } | Self::OpenHost { rule, .. } => rule,
        }
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::OpenEnd { .. } => "has no `$` and matches every longer path, too",
            Self::OpenHost { .. } => "has no `^` or no `$` and matches other hosts, too",
        }
    }

    /// An example request that the pattern probably should not match.
    pub fn example(&self) -> Option<&ExampleRequest> {
        match self {
            Self::OpenEnd { example, .. } => example.as_ref(),
            Self::OpenHost { example, .. } => Some(example),
        }
    }
}

impl fmt::Display for RouterWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenEnd { rule, .. } => {
                write!(f, "{rule} has no `$` and matches every longer path, too")?;
            }
            Self::OpenHost { rule, .. } => {
                write!(
                    f,
                    "{rule} has no `^` or no `$` and matches other hosts, too"
                )?;
            }
        }
        match self.example() {
            Some(example) => write!(f, ": `{example}`"),
            None => Ok(()),
        }
    }
}
