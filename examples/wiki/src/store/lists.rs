//! Lists: what changed, which pages there are.

use serde::Serialize;

use super::{Result, Store};
use crate::name::PageName;

/// A revision without its text.
#[derive(Clone, Debug, Serialize)]
pub struct Saved {
    /// Counts over all pages.
    pub id: i64,
    /// The page.
    pub name: String,
    /// Counts from 1 within the page.
    pub number: i64,
    /// In seconds since 1970.
    pub time: i64,
    /// Who, if it is known.
    pub author: String,
    /// What the author said.
    pub comment: String,
    /// Bytes of the text.
    pub size: i64,
    /// Bytes more than in the revision before.
    pub grown: i64,
}

/// One page of a list, and where the next begins.
#[derive(Clone, Debug, Serialize)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// There are more.
    pub more: bool,
}

impl<T> Listed<T> {
    /// `rows` were asked for with one more than `limit`.
    fn new(mut rows: Vec<T>, limit: u32) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, more }
    }
}

const CHANGE: &str = "SELECT r.id, p.name, r.number, r.time, r.author, r.comment, r.size,
        r.size - coalesce(b.size, 0)
     FROM revisions r JOIN pages p ON p.id = r.page
     LEFT JOIN revisions b ON b.page = r.page AND b.number = r.number - 1";

impl Store {
    /// The newest changes of all pages, from the newest; `before` is the [`Saved::id`] where the
    /// list before this one ended.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn recent(&self, before: Option<i64>, limit: u32) -> Result<Listed<Saved>> {
        let query = format!("{CHANGE} WHERE r.id < ?1 ORDER BY r.id DESC LIMIT ?2");
        let before = before.unwrap_or(i64::MAX);
        let rows = self.changes(&query, (before, limit + 1))?;
        Ok(Listed::new(rows, limit))
    }

    /// The revisions of one page, from the newest; `before` is the number where the list before
    /// this one ended. Empty where there is no such page.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn history(
        &self,
        name: &PageName,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<Saved>> {
        let query = format!(
            "{CHANGE} WHERE r.page = (SELECT page FROM names WHERE key = ?1) AND r.number < ?2
             ORDER BY r.number DESC LIMIT ?3"
        );
        let before = before.unwrap_or(i64::MAX);
        let rows = self.changes(&query, (name.key(), before, limit + 1))?;
        Ok(Listed::new(rows, limit))
    }

    fn changes(&self, query: &str, arguments: impl rusqlite::Params) -> Result<Vec<Saved>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(query)?;
        let rows = query.query_map(arguments, |row| {
            Ok(Saved {
                id: row.get(0)?,
                name: row.get(1)?,
                number: row.get(2)?,
                time: row.get(3)?,
                author: row.get(4)?,
                comment: row.get(5)?,
                size: row.get(6)?,
                grown: row.get(7)?,
            })
        })?;
        rows.collect()
    }

    /// The names of all pages, those after `after`. Capitals are among the small letters.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn names(&self, after: &str, limit: u32) -> Result<Listed<String>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            // The first condition finds the place in the index, the second the name after it.
            "SELECT name FROM pages
             WHERE name COLLATE NOCASE >= ?1 AND (name COLLATE NOCASE, name) > (?1, ?1)
                   AND NOT deleted
             ORDER BY name COLLATE NOCASE, name LIMIT ?2",
        )?;
        let rows = query.query_map((after, limit + 1), |row| row.get(0))?;
        Ok(Listed::new(rows.collect::<Result<_>>()?, limit))
    }

    /// How many pages and revisions there are.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn counts(&self) -> Result<(i64, i64)> {
        // The largest id: counting rows would walk through all of them.
        let query = "SELECT (SELECT coalesce(max(id), 0) FROM pages),
                            (SELECT coalesce(max(id), 0) FROM revisions)";
        let reader = self.reader()?;
        reader.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }
}
