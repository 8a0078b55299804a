//! Finding.

use gateway_core::{Environ, Error, Reply};
use minijinja::context;
use minijinja::value::Serde;

use crate::name::PageName;
use crate::views::edit::cut;
use crate::views::page::number_in_query;
use crate::wiki::Wiki;

/// Lines on one page of a list.
const LINES: u32 = 50;

/// Names on one page of the index.
const NAMES: u32 = 500;

/// Longest question, in bytes.
const LONGEST_QUERY: usize = 200;

/// The newest changes.
///
/// # Errors
///
/// `before` is not a number (400).
pub fn recent(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let before = number_in_query(environ, "before")?;
    let changes = wiki.store().recent(before, LINES)?;
    let values = context! { changes => Serde(&changes), before };
    wiki.render(environ, "recent.html", values)
}

/// The pages that hold all words of `q`.
///
/// # Errors
///
/// What SQLite says.
pub fn search(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let asked = environ.query("q").unwrap_or_default();
    let asked = cut(asked.trim(), LONGEST_QUERY);
    let hits = wiki.store().search(asked, LINES)?;
    // The page of exactly that name, or the offer to write it.
    let name = PageName::new(asked).ok();
    let name = name.as_ref().map(PageName::as_str);
    let called = wiki.store().called(name.into_iter())?.pop().flatten();
    let values = context! {
        asked,
        hits => Serde(&hits),
        most => LINES,
        name,
        called,
    };
    wiki.render(environ, "search.html", values)
}

/// All pages by name.
///
/// # Errors
///
/// What SQLite says.
pub fn pages(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let after = environ.query("after").unwrap_or_default();
    let names = wiki.store().names(&after, NAMES)?;
    let values = context! { names => Serde(&names), after };
    wiki.render(environ, "pages.html", values)
}
