//! Pages and their revisions in one SQLite file.
//!
//! One connection writes, a few read; in WAL mode neither waits for the other. Writers queue for
//! that connection inside this process, and share its commits (see `writer.rs`), and for SQLite's
//! lock between processes (CGI starts one per request), each for as long as it takes, so
//! `database is locked` reaches no user.

mod connection;
mod excerpt;
mod export;
mod files;
mod lists;
mod save;
mod schema;
mod search;
mod words;
mod writer;

pub use connection::Store;
pub(crate) use connection::is_busy;
pub use excerpt::Snippet;
pub use export::Exported;
pub use files::Attachment;
pub use lists::{Listed, Saved};
pub use save::{Change, Edit, Outcome};
pub use search::Hit;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use crate::name::{PageName, key};

/// What SQLite may say.
pub type Result<T> = std::result::Result<T, rusqlite::Error>;

/// A page.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub(crate) id: i64,
    /// What it is called. Other names may lead to it as well.
    pub name: String,
    /// It is gone, and has a history.
    pub deleted: bool,
    /// The revision that it shows.
    pub newest: Revision,
}

impl Page {
    /// The page that the name leads to, whether it is its own or one that it had.
    fn named(connection: &Connection, name: &PageName) -> Result<Option<Self>> {
        let mut query = connection.prepare_cached(
            "SELECT r.number, r.time, r.author, r.comment, r.text, p.id, p.name, p.deleted
             FROM names n JOIN pages p ON p.id = n.page JOIN revisions r ON r.id = p.revision
             WHERE n.key = ?1",
        )?;
        let page = query.query_row([name.key()], |row| {
            Ok(Self {
                id: row.get(5)?,
                name: row.get(6)?,
                deleted: row.get(7)?,
                newest: Revision::from_row(row)?,
            })
        });
        page.optional()
    }
}

/// One revision of a page, text included.
#[derive(Clone, Debug, Serialize)]
pub struct Revision {
    /// Counts from 1 within its page.
    pub number: i64,
    /// When it was saved, in seconds since 1970.
    pub time: i64,
    /// Who saved it: by the gateway's word (REMOTE_USER), or the author's own; else empty.
    pub author: String,
    /// What the author said about it.
    pub comment: String,
    /// The Markdown. Lines end with LF.
    pub text: String,
}

impl Revision {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            time: row.get(1)?,
            author: row.get(2)?,
            comment: row.get(3)?,
            text: row.get(4)?,
        })
    }
}

impl Store {
    /// The page that the name leads to.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn page(&self, name: &PageName) -> Result<Option<Page>> {
        Page::named(&*self.reader()?, name)
    }

    /// A page as it was.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn revision(&self, name: &PageName, number: i64) -> Result<Option<Revision>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            "SELECT number, time, author, comment, text FROM revisions
             WHERE page = (SELECT page FROM names WHERE key = ?1) AND number = ?2",
        )?;
        let row = query.query_row((name.key(), number), Revision::from_row);
        row.optional()
    }

    /// What the pages are called that `names` lead to, in their order; `None` where there is none.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn called<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Vec<Option<String>>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            "SELECT p.name FROM names n JOIN pages p ON p.id = n.page
             WHERE n.key = ?1 AND NOT p.deleted",
        )?;
        let called = |name| query.query_row([key(name)], |row| row.get(0)).optional();
        names.map(called).collect()
    }
}
