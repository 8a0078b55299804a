//! Which URL leads where.

use gateway_core::{Application, Environ, Error, Reply, Response};
use gateway_web::EnvironExt;
use router::service::TrailingSlash;
use router::{BuildError, IntoPattern, Router, template};

use crate::views::{broken, edit, export, files, history, lists, manage, page, served};

/// A function that answers. What a browser has already of its answers is not sent again.
#[derive(Clone, Copy, Debug)]
pub struct View(fn(&mut Environ) -> Result<Reply, Error>);

impl Application for View {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let reply = (self.0)(environ)?;
        environ.tagged(reply)
    }
}

/// The route table: the first line that matches wins, so the wiki's own names stand in front of
/// `{name}`. Regular expressions where that is shorter, templates where that is.
///
/// # Errors
///
/// Two routes have one name, or a pattern is wrong: a mistake in this function.
#[rustfmt::skip] // a table is read by its columns
pub fn urls() -> Result<Router<View>, BuildError> {
    Router::<View>::builder()
        .get(r"^$".named("front"), View(page::front))
        .get(r"^recent$".named("recent"), View(lists::recent))
        .get(r"^search$".named("search"), View(lists::search))
        .get(r"^pages$".named("pages"), View(lists::pages))
        .get(r"^export$".named("export"), View(export::export))
        .get(r"^How this page was served$".named("served"), View(served::served))
        .get(r"^break$".named("break"), View(broken::broken))
        .get(template("{name}").named("page"), View(page::show))
        .get(template("{name}/raw").named("raw"), View(page::raw))
        .get(template("{name}/edit").named("edit"), View(edit::form))
        .post(template("{name}/edit").named("save"), View(edit::save))
        .get(template("{name}/history").named("history"), View(history::history))
        .get(template("{name}/diff").named("diff"), View(history::diff))
        .post(template("{name}/revert").named("revert"), View(history::revert))
        .get(template("{name}/rename").named("rename"), View(manage::form))
        .post(template("{name}/rename"), View(manage::rename))
        .get(template("{name}/delete").named("delete"), View(manage::form))
        .post(template("{name}/delete"), View(manage::delete))
        .get(template("{name}/files").named("files"), View(files::list))
        .post(template("{name}/files"), View(files::upload))
        .post(template("{name}/remove").named("remove"), View(files::remove))
        .get(template("{name}/files/{file}").named("file"), View(files::file))
        .fallback(View(page::nowhere))
        .trailing_slash(TrailingSlash::RedirectToNoSlash)
        .deny_shadowed()
        .build()
}
