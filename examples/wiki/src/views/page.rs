//! Reading.

use gateway_core::{Environ, Error, Reply};
use gateway_web::EnvironExt;
use http::StatusCode;
use minijinja::context;
use minijinja::value::Serde;

use crate::markdown::{Parsed, Shown, Target};
use crate::name::{FRONT, NotAName, PageName, SERVED};
use crate::store::{Page, Revision};
use crate::templates::safe;
use crate::wiki::{Wiki, name_of, relative, root};

/// The wiki's first page, whatever it is called by now.
///
/// # Errors
///
/// As [`show`].
pub fn front(environ: &mut Environ) -> Result<Reply, Error> {
    let name = PageName::new(FRONT)?;
    show_page(environ, &name, true)
}

/// A page, or with `?revision=` how it once was; where there is none, the offer to write it.
///
/// # Errors
///
/// No page can have that name, or there is no such revision.
pub fn show(environ: &mut Environ) -> Result<Reply, Error> {
    let name = name_of(environ)?;
    show_page(environ, &name, false)
}

fn show_page(environ: &Environ, name: &PageName, is_front: bool) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let Some(page) = wiki.store().page(name)? else {
        let values = context! { name => name.as_str() };
        let reply = wiki.render(environ, "missing.html", values)?;
        return Ok(reply.with_status(StatusCode::NOT_FOUND));
    };
    // By another spelling, or a name that it had. Not for good: it may be renamed once more.
    if page.name != name.as_str() && !is_front {
        let path = wiki.router().url_for("page", [page.name.as_str()])?;
        let query = Some(environ.query_string()).filter(|query| !query.is_empty());
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}{query}", relative(&root(environ), &path));
        return Ok(environ.redirect(&url));
    }
    if page.deleted {
        return deleted(&wiki, environ, &page);
    }
    let newest = page.newest.number;
    let shown = match number_in_query(environ, "revision")? {
        Some(number) if number != newest => revision(&wiki, name, number)?,
        _ => page.newest,
    };
    let html = html(&wiki, environ, &shown.text, Shown::Page)?;
    let values = context! {
        name => page.name,
        html => safe(html),
        newest,
        revision => Serde(&shown),
    };
    wiki.render(environ, "page.html", values)
}

/// Where a page was: who deleted it, and the button that brings it back.
fn deleted(wiki: &Wiki, environ: &Environ, page: &Page) -> Result<Reply, Error> {
    let values = context! { name => &page.name, deleted => Serde(&page.newest) };
    let reply = wiki.render_form(environ, "missing.html", values)?;
    Ok(reply.with_status(StatusCode::NOT_FOUND))
}

/// The Markdown as it was saved, with `?revision=` as it once was.
///
/// # Errors
///
/// There is no such page (404).
pub fn raw(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let name = name_of(environ)?;
    let revision = match number_in_query(environ, "revision")? {
        Some(number) => revision(&wiki, &name, number)?,
        None => existing(&wiki, &name)?.newest,
    };
    Ok(Reply::text(revision.text)
        .header("x-content-type-options", "nosniff")
        .header("cache-control", "no-cache")
        // Text cannot run; if a browser thinks otherwise, it may do nothing.
        .header("content-security-policy", "default-src 'none'; sandbox"))
}

/// What no route matches.
///
/// # Errors
///
/// Always: 404.
pub fn nowhere(_: &mut Environ) -> Result<Reply, Error> {
    Err(Error::new(
        StatusCode::NOT_FOUND,
        "There is nothing at this address.",
    ))
}

/// The page that the name leads to, if it was not deleted.
pub(super) fn existing(wiki: &Wiki, name: &PageName) -> Result<Page, Error> {
    let page = known(wiki, name)?;
    if page.deleted {
        let text = format!("The page “{}” was deleted.", page.name);
        return Err(Error::new(StatusCode::NOT_FOUND, text));
    }
    Ok(page)
}

/// The page that the name leads to, deleted or not.
pub(super) fn known(wiki: &Wiki, name: &PageName) -> Result<Page, Error> {
    let missing = || {
        let text = format!("There is no page “{name}” yet.");
        Error::new(StatusCode::NOT_FOUND, text)
    };
    wiki.store().page(name)?.ok_or_else(missing)
}

/// The page as it was.
pub(super) fn revision(wiki: &Wiki, name: &PageName, number: i64) -> Result<Revision, Error> {
    let missing = || {
        let text = format!("“{name}” has no revision {number}.");
        Error::new(StatusCode::NOT_FOUND, text)
    };
    wiki.store().revision(name, number)?.ok_or_else(missing)
}

/// A number in the query, such as `?before=7`. None of ours is negative, or anywhere near the
/// largest.
pub(super) fn number_in_query(environ: &Environ, key: &str) -> Result<Option<i64>, Error> {
    let Some(value) = environ.query(key).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| {
        let text = format!("“{value}” is not a number, as {key} has to be.");
        Error::new(StatusCode::BAD_REQUEST, text)
    };
    let number: u32 = value.parse().map_err(wrong)?;
    Ok(Some(number.into()))
}

/// A text as HTML, its links red where there is no page yet.
pub(super) fn html(
    wiki: &Wiki,
    environ: &Environ,
    text: &str,
    shown: Shown,
) -> Result<String, Error> {
    let root = &*root(environ);
    let parsed = Parsed::new(text);
    let names: Vec<_> = parsed.pages().collect();
    let called = wiki.store().called(names.iter().copied())?;
    let urls = |route, args: &[(&str, &str)]| -> Result<String, Error> {
        Ok(relative(root, &wiki.router().url_for(route, args)?))
    };
    let mut targets = Vec::with_capacity(names.len());
    for (name, called) in names.into_iter().zip(called) {
        targets.push(match (PageName::new(name), called) {
            (Ok(_), Some(called)) => Target::There(urls("page", &[("name", &called)])?),
            (Ok(name), None) => Target::Missing(urls("edit", &[("name", name.as_str())])?),
            (Err(NotAName::Reserved), _) if name == SERVED => Target::There(urls("served", &[])?),
            (Err(NotAName::Reserved), _)
                if ["recent", "search", "pages", "export"].contains(&name) =>
            {
                Target::There(urls(name, &[])?)
            }
            (Err(why), _) => Target::Nowhere(why.to_string()),
        });
    }
    Ok(parsed.into_html(targets, root, shown))
}
