//! Which URL leads where.

use gateway_core::{Environ, Error, Reply};
use http::Method;
use router::{BuildError, Router, TrailingSlash};

use crate::views::{broken, edit, export, history, lists, page, served};

/// A function that answers.
pub type View = fn(&mut Environ) -> Result<Reply, Error>;

/// The route table: the first line that matches wins, so the wiki's own names stand in front of
/// `{name}`. Regular expressions where that is shorter, templates where that is.
///
/// # Errors
///
/// Two routes have one name, or a pattern is wrong: a mistake in this function.
#[rustfmt::skip] // a table is read by its columns
pub fn urls() -> Result<Router<View>, BuildError> {
    let get = || [Method::GET];
    let post = || [Method::POST];
    Router::<View>::builder()
        .name("front").get(r"^$", page::front)
        .name("recent").get(r"^recent$", lists::recent)
        .name("search").get(r"^search$", lists::search)
        .name("pages").get(r"^pages$", lists::pages)
        .name("export").get(r"^export$", export::export)
        .name("served").get(r"^How this page was served$", served::served)
        .name("break").get(r"^break$", broken::broken)
        .name("page").template(get(), "{name}", page::show)
        .name("raw").template(get(), "{name}/raw", page::raw)
        .name("edit").template(get(), "{name}/edit", edit::form)
        .name("save").template(post(), "{name}/edit", edit::save)
        .name("history").template(get(), "{name}/history", history::history)
        .name("diff").template(get(), "{name}/diff", history::diff)
        .name("revert").template(post(), "{name}/revert", history::revert)
        .fallback(page::nowhere)
        .trailing_slash(TrailingSlash::RedirectToNoSlash)
        .deny_shadowed()
        .build()
}
