//! Which URL leads where.

use gateway_core::{Environ, Error, Reply};
use router::service::TrailingSlash;
use router::{BuildError, IntoPattern, Router, template};

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
    Router::<View>::builder()
        .get(r"^$".named("front"), page::front)
        .get(r"^recent$".named("recent"), lists::recent)
        .get(r"^search$".named("search"), lists::search)
        .get(r"^pages$".named("pages"), lists::pages)
        .get(r"^export$".named("export"), export::export)
        .get(r"^How this page was served$".named("served"), served::served)
        .get(r"^break$".named("break"), broken::broken)
        .get(template("{name}").named("page"), page::show)
        .get(template("{name}/raw").named("raw"), page::raw)
        .get(template("{name}/edit").named("edit"), edit::form)
        .post(template("{name}/edit").named("save"), edit::save)
        .get(template("{name}/history").named("history"), history::history)
        .get(template("{name}/diff").named("diff"), history::diff)
        .post(template("{name}/revert").named("revert"), history::revert)
        .fallback(page::nowhere)
        .trailing_slash(TrailingSlash::RedirectToNoSlash)
        .deny_shadowed()
        .build()
}
