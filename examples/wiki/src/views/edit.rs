//! Writing.

use gateway_core::{Environ, Error, Form, Reply};
use gateway_web::{EnvironExt, ReplyExt};
use http::StatusCode;
use minijinja::context;
use minijinja::value::{Serde, Value};

use crate::diff::Diff;
use crate::markdown::Shown;
use crate::store::{Change, Edit, Outcome};
use crate::templates::safe;
use crate::token::{self, YEAR};
use crate::views::page::html;
use crate::wiki::{Wiki, name_of};

/// Longest text of a page, in bytes. The longest of Wikipedia's articles have half of it.
pub const LONGEST_TEXT: usize = 1024 * 1024;

/// Longest comment, in bytes.
pub(super) const LONGEST_COMMENT: usize = 500;

/// Longest name of an author, in bytes.
const LONGEST_AUTHOR: usize = 100;

/// The cookie with the author's name.
const AUTHOR: &str = "wiki_author";

/// A form is at most three times its text (each byte as `%XX`), and a little.
const LONGEST_FORM: usize = 3 * (LONGEST_TEXT + LONGEST_COMMENT) + 4096;

/// The form, with the text as it is now.
///
/// # Errors
///
/// No page can have that name.
pub fn form(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let name = name_of(environ)?;
    let (name, base, text) = match wiki.store().page(&name)? {
        Some(page) => (page.name, page.newest.number, page.newest.text),
        None => (name.as_str().to_owned(), 0, String::new()),
    };
    let draft = Draft {
        base,
        text,
        comment: String::new(),
        author: author(environ, None),
    };
    draft.reply(&wiki, environ, &name, "edit.html", context! {})
}

/// Saves, or shows a preview.
///
/// # Errors
///
/// The form is too long (413), or is no form (400, 415).
pub fn save(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let name = name_of(environ)?;
    let form = environ
        .form(LONGEST_FORM)
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_long(),
            _ => error,
        })?;
    let draft = Draft::of(&form)?;
    if !token::is_repeated(environ, &form) {
        // What was typed is not lost: the form again, with a token that fits.
        let notice = "This form was too old, or cookies are off, so nothing was saved yet. \
                      Your text is below: look it over and save again.";
        let reply = draft.reply(
            &wiki,
            environ,
            name.as_str(),
            "edit.html",
            context! { notice },
        )?;
        return Ok(reply.with_status(StatusCode::FORBIDDEN));
    }
    if form.get("action").as_deref() == Some("preview") {
        let preview = safe(html(&wiki, environ, &draft.text, Shown::Preview)?);
        let name = name.as_str();
        return draft.reply(&wiki, environ, name, "edit.html", context! { preview });
    }
    let author = author(environ, Some(&draft.author));
    let edit = Edit {
        name: &name,
        base: draft.base,
        comment: &draft.comment,
        author: &author,
        change: Change::Text(&draft.text),
    };
    match wiki.store().save(edit)? {
        Outcome::Conflict(page) => {
            let current = &page.newest;
            // Saving once more will replace what the person has now seen.
            let draft = Draft {
                base: current.number,
                ..draft
            };
            let diff = Serde(Diff::between(&current.text, &draft.text));
            let theirs = Serde(current);
            let values = context! { diff, theirs };
            let reply = draft.reply(&wiki, environ, &page.name, "conflict.html", values)?;
            Ok(reply.with_status(StatusCode::CONFLICT))
        }
        _ => {
            let reply = environ.redirect_to("page", [name.as_str()])?;
            Ok(named(environ, &author, reply))
        }
    }
}

/// What stands in the form.
struct Draft {
    base: i64,
    text: String,
    comment: String,
    author: String,
}

impl Draft {
    fn of(form: &Form) -> Result<Self, Error> {
        let text = form
            .get("text")
            .ok_or_else(|| Error::new(StatusCode::BAD_REQUEST, "The form has no field “text”."))?;
        let text = normalised(&text);
        if text.len() > LONGEST_TEXT {
            return Err(too_long());
        }
        let comment = form.get("comment").unwrap_or_default();
        // A form without a base is an edit of nothing: it never replaces a page.
        let base = form
            .get("base")
            .and_then(|base| base.parse().ok())
            .unwrap_or(0);
        Ok(Self {
            base,
            text,
            comment: one_line(&comment, LONGEST_COMMENT),
            author: form.get("author").unwrap_or_default().into_owned(),
        })
    }

    fn reply(
        &self,
        wiki: &Wiki,
        environ: &Environ,
        name: &str,
        template: &str,
        more: Value,
    ) -> Result<Reply, Error> {
        let values = context! {
            name,
            base => self.base,
            text => &self.text,
            comment => &self.comment,
            author => author(environ, Some(&self.author)),
            is_known => remote_user(environ).is_some(),
            longest_comment => LONGEST_COMMENT,
            ..more
        };
        wiki.render_form(environ, template, values)
    }
}

/// The answer to a text longer than [`LONGEST_TEXT`]. Going back brings back what was typed.
fn too_long() -> Error {
    let text = "A page has at most one megabyte of text. Go back and make two of it.";
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

/// Who it is: by the gateway's word (basic authentication of the web server in front, say), or else
/// by the author's own: as `typed`, or in the cookie.
pub(super) fn author(environ: &Environ, typed: Option<&str>) -> String {
    let own = || match typed {
        Some(typed) => typed.to_owned(),
        None => environ.cookie(AUTHOR).unwrap_or_default().into_owned(),
    };
    one_line(&remote_user(environ).unwrap_or_else(own), LONGEST_AUTHOR)
}

/// Whom the gateway names. Some web servers pass an empty name on where they have asked for none.
fn remote_user(environ: &Environ) -> Option<String> {
    let user = environ.var("REMOTE_USER")?;
    let user = String::from_utf8_lossy(&user).into_owned();
    Some(user).filter(|user| !user.is_empty())
}

/// The reply, and the browser remembers what the author is called.
fn named(environ: &Environ, author: &str, reply: Reply) -> Reply {
    let known = environ.cookie(AUTHOR).unwrap_or_default();
    if remote_user(environ).is_some() || known == author {
        return reply;
    }
    let cookie = environ.new_cookie(AUTHOR, author);
    match author {
        "" => reply.delete_cookie(cookie),
        _ => reply.set_cookie(cookie.max_age(YEAR)),
    }
}

/// Lines that end with LF (forms send CRLF), and no control characters but tabs.
fn normalised(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "")
}

/// On one line, and at most so many bytes.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let spaced = text.replace(char::is_control, " ");
    cut(spaced.trim(), most).trim_end().to_owned()
}

/// The beginning of a text, at most so many bytes and no half character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut ends = (0..=most.min(text.len())).rev();
    let whole = ends.find_map(|end| text.get(..end));
    whole.unwrap_or_default()
}
