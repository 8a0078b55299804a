//! Renaming and deleting.

use gateway_core::{Environ, Error, Form, Reply};
use gateway_web::EnvironExt;
use http::StatusCode;
use minijinja::context;

use crate::name::PageName;
use crate::store::{Change, Edit, Outcome, Page};
use crate::token::{self, STALE};
use crate::views::edit::{LONGEST_COMMENT, author, one_line};
use crate::views::history::LONGEST_FORM;
use crate::views::page::existing;
use crate::wiki::{Wiki, name_of};

/// Both forms.
///
/// # Errors
///
/// There is no such page (404).
pub fn form(environ: &mut Environ) -> Result<Reply, Error> {
    let page = existing(&Wiki::of(environ)?, &name_of(environ)?)?;
    shown(environ, &page, &Form::default(), None)
}

/// Calls the page something else; its old name leads to it from then on.
///
/// # Errors
///
/// There is no such page (404).
pub fn rename(environ: &mut Environ) -> Result<Reply, Error> {
    changed(environ, |page, form| {
        let typed = form.get("to").unwrap_or_default();
        let name = PageName::new(typed.trim()).map_err(|why| why.to_string())?;
        Ok((format!("Renamed from “{}”", page.name), Some(name)))
    })
}

/// Deletes the page. Its history stays, and can bring it back.
///
/// # Errors
///
/// There is no such page (404).
pub fn delete(environ: &mut Environ) -> Result<Reply, Error> {
    changed(environ, |_, _| Ok(("Deleted".to_owned(), None)))
}

/// `what` says what is done, in words, and what the page is called from then on; or what is wrong
/// with the form.
fn changed(
    environ: &mut Environ,
    what: impl FnOnce(&Page, &Form) -> Result<(String, Option<PageName>), String>,
) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let name = name_of(environ)?;
    let page = existing(&wiki, &name)?;
    let form = environ.form(LONGEST_FORM)?;
    let again = |status: StatusCode, notice: &str| {
        Ok(shown(environ, &page, &form, Some(notice))?.with_status(status))
    };
    if !token::is_repeated(environ, &form) {
        return again(StatusCode::FORBIDDEN, STALE);
    }
    let (mut comment, to) = match what(&page, &form) {
        Ok(done) => done,
        Err(why) => {
            let notice = format!("Nothing was changed: {why}.");
            return again(StatusCode::UNPROCESSABLE_ENTITY, &notice);
        }
    };
    if let Some(why) = form.get("comment").filter(|why| !why.trim().is_empty()) {
        comment += &format!(": {}", why.trim());
    }
    let base = form.get("base").and_then(|base| base.parse().ok());
    let edit = Edit {
        name: &name,
        base: base.unwrap_or(0),
        comment: &one_line(&comment, LONGEST_COMMENT),
        author: &author(environ, None),
        change: to.as_ref().map_or(Change::Delete, Change::Name),
    };
    match wiki.store().save(edit)? {
        Outcome::Conflict(_) => {
            let notice = "Somebody has saved the page since you saw this form, so nothing was \
                          changed. Look at the page, and press the button again.";
            let page = existing(&wiki, &name)?;
            Ok(shown(environ, &page, &form, Some(notice))?.with_status(StatusCode::CONFLICT))
        }
        Outcome::Taken => {
            let notice = "There is a page of that name, or there was one, which has a history. \
                          Nothing was changed.";
            again(StatusCode::CONFLICT, notice)
        }
        Outcome::Missing => Err(Error::new(StatusCode::NOT_FOUND, "There is no such page.")),
        Outcome::Saved(_) | Outcome::Unchanged(_) => {
            let name = to.as_ref().unwrap_or(&name);
            environ.redirect_to("page", [name.as_str()])
        }
    }
}

fn shown(
    environ: &Environ,
    page: &Page,
    form: &Form,
    notice: Option<&str>,
) -> Result<Reply, Error> {
    let values = context! {
        name => &page.name,
        base => page.newest.number,
        to => form.get("to").unwrap_or_else(|| page.name.as_str().into()),
        comment => form.get("comment").unwrap_or_default(),
        longest_comment => LONGEST_COMMENT,
        notice,
    };
    Wiki::of(environ)?.render_form(environ, "manage.html", values)
}
