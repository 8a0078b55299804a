//! How a router reads paths, and what it answers by itself.

use super::development::Gate;

/// What is done about the slash that every path begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeadingSlash {
    /// One slash is taken off, as in the article and in Django: `^hello/` matches `/hello/`.
    #[default]
    StripOne,
    /// All of them are taken off, as Python's `lstrip("/")` does.
    StripAll,
    /// Patterns begin with `^/`.
    Keep,
}

/// What is done about a path that no route matches, but would with or without a
/// slash at its end. Redirects are permanent and keep the method (308) and the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// Nothing: two paths.
    #[default]
    Strict,
    /// `/about` is redirected to `/about/` if a route matches that.
    RedirectToSlash,
    /// `/about/` is redirected to `/about` if a route matches that.
    RedirectToNoSlash,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) leading: LeadingSlash,
    pub(crate) trailing: TrailingSlash,
    pub(crate) merge_slashes: bool,
    pub(crate) raw: bool,
    pub(crate) development: Gate,
    /// Where a proxy in front has the router, encoded, without a final slash.
    pub(crate) external_prefix: Box<str>,
}
