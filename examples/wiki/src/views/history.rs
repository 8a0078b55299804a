//! How a page became what it is.

use gateway_core::{Environ, Error, Reply};
use gateway_web::EnvironExt;
use http::StatusCode;
use minijinja::context;
use minijinja::value::Serde;

use crate::diff::Diff;
use crate::store::{Change, Edit, Outcome};
use crate::token::{self, STALE};
use crate::views::edit::author;
use crate::views::page::{known, number_in_query, revision};
use crate::wiki::{Wiki, name_of};

/// Lines on one page of a list.
const LINES: u32 = 50;

/// Longest form of a button.
pub(super) const LONGEST_FORM: usize = 4096;

/// The revisions, the newest first.
///
/// # Errors
///
/// There is no such page (404).
pub fn history(environ: &mut Environ) -> Result<Reply, Error> {
    shown(environ, None)
}

fn shown(environ: &Environ, notice: Option<&str>) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let name = name_of(environ)?;
    let page = known(&wiki, &name)?;
    let before = number_in_query(environ, "before")?;
    let changes = wiki.store().history(&name, before, LINES)?;
    let values = context! {
        name => page.name,
        newest => page.newest.number,
        changes => Serde(&changes),
        notice,
    };
    wiki.render_form(environ, "history.html", values)
}

/// What changed from revision `from` (by default the one before) to revision `to` (by default the
/// newest). Revision 0 is no text at all.
///
/// # Errors
///
/// There is no such page or revision (404), or the numbers are none (400).
pub fn diff(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let name = name_of(environ)?;
    let page = known(&wiki, &name)?;
    let newest = page.newest.number;
    let to = number_in_query(environ, "to")?.unwrap_or(newest);
    let from = number_in_query(environ, "from")?.unwrap_or(to - 1);
    let new = revision(&wiki, &name, to)?;
    let old = match from {
        0 => None,
        from => Some(revision(&wiki, &name, from)?),
    };
    let old_text = old.as_ref().map_or("", |old| &old.text);
    let values = context! {
        name => page.name,
        newest,
        from,
        to,
        old => Serde(&old),
        new => Serde(&new),
        diff => Serde(Diff::between(old_text, &new.text)),
    };
    wiki.render(environ, "diff.html", values)
}

/// Saves an old text once more, as the newest.
///
/// # Errors
///
/// There is no such revision (404).
pub fn revert(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let name = name_of(environ)?;
    let form = environ.form(LONGEST_FORM)?;
    let again = |notice, status| Ok(shown(environ, Some(notice))?.with_status(status));
    if !token::is_repeated(environ, &form) {
        return again(STALE, StatusCode::FORBIDDEN);
    }
    let number = |field| {
        form.get(field)
            .and_then(|value| value.parse().ok())
            .unwrap_or(0)
    };
    let old = revision(&wiki, &name, number("revision"))?;
    let author = author(environ, None);
    let edit = Edit {
        name: &name,
        base: number("base"),
        comment: &format!("Revert to revision {}", old.number),
        author: &author,
        change: Change::Text(&old.text),
    };
    match wiki.store().save(edit)? {
        Outcome::Conflict(_) => {
            let notice = "Somebody has saved the page since you saw this list, so nothing was \
                          changed. This is the list now.";
            again(notice, StatusCode::CONFLICT)
        }
        _ => environ.redirect_to("page", [name.as_str()]),
    }
}
