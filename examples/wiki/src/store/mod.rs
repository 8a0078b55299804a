//! Pages and their revisions in one SQLite file.
//!
//! One connection writes, a few read; in WAL mode neither waits for the other. Writers queue for
//! that connection inside this process, and share its commits (see `writer.rs`), and for SQLite's
//! lock between processes (CGI starts one per request), each for as long as it takes, so
//! `database is locked` reaches no user.

mod connection;
mod excerpt;
mod export;
mod lists;
mod save;
mod search;
mod writer;

pub use connection::Store;
pub(crate) use connection::is_busy;
pub use excerpt::Snippet;
pub use export::Exported;
pub use lists::{Change, Listed};
pub use save::{Edit, Outcome};
pub use search::Hit;

use rusqlite::{OptionalExtension, Row};
use serde::Serialize;

use crate::name::PageName;

/// What SQLite may say.
pub type Result<T> = std::result::Result<T, rusqlite::Error>;

/// One revision of a page, text included.
#[derive(Clone, Debug, Serialize)]
pub struct Revision {
    /// Counts from 1 within its page.
    pub number: i64,
    /// When it was saved, in seconds since 1970.
    pub time: i64,
    /// Who saved it, where the gateway said (REMOTE_USER); else empty.
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
    /// The page as it is now.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn page(&self, name: &PageName) -> Result<Option<Revision>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            "SELECT number, time, author, comment, text FROM revisions
             WHERE id = (SELECT revision FROM pages WHERE name = ?1)",
        )?;
        query
            .query_row([name.as_str()], Revision::from_row)
            .optional()
    }

    /// The page as it was.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn revision(&self, name: &PageName, number: i64) -> Result<Option<Revision>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            "SELECT number, time, author, comment, text FROM revisions
             WHERE page = (SELECT id FROM pages WHERE name = ?1) AND number = ?2",
        )?;
        let row = query.query_row((name.as_str(), number), Revision::from_row);
        row.optional()
    }

    /// Which of `names` are pages, in their order.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn are_pages<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Vec<bool>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached("SELECT 1 FROM pages WHERE name = ?1")?;
        names.map(|name| query.exists([name])).collect()
    }
}
