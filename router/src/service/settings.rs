//! How a router reads paths, and what it answers by itself.

use super::development::Gate;

/// How patterns treat the slash that every path begins with.
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

/// What is done about a `%2F` in the path, where patterns see the path decoded. A guard in front
/// that splits the path before it decodes it sees no slash there, and patterns would see one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodedSlashes {
    /// No pattern is asked: as if nothing matched.
    #[default]
    Refuse,
    /// It is a slash like others.
    Decode,
}

/// What is done about a path that a route matches, but whose escapes are not
/// [as they should be](gateway_core::paths::Spelling#what-is-canonical): `%61` for `a`, `%c3` for `%C3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherSpellings {
    /// 308 to the canonical spelling, for every method.
    #[default]
    Redirect,
    /// They are served as they are: behind a proxy that spells paths in its own way a redirect
    /// would come round for ever.
    Serve,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) leading: LeadingSlash,
    pub(crate) trailing: TrailingSlash,
    pub(crate) merge_slashes: bool,
    pub(crate) raw: bool,
    pub(crate) encoded_slashes: EncodedSlashes,
    pub(crate) other_spellings: OtherSpellings,
    pub(crate) development: Gate,
    /// Where a proxy in front has the router, encoded, without a final slash.
    pub(crate) external_prefix: Box<str>,
}
