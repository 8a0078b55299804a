//! Everything, one revision at a time.

use rusqlite::{OptionalExtension, Row};

use super::{Result, Revision, Store};

/// A revision on its way into an archive.
#[derive(Debug)]
pub struct Exported {
    /// The page's row: where the next step goes on.
    pub page: i64,
    /// The page.
    pub name: String,
    /// The revision.
    pub revision: Revision,
}

impl Exported {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            page: row.get(5)?,
            name: row.get(6)?,
            revision: Revision::from_row(row)?,
        })
    }
}

// Each step is a short transaction of its own. A long one would keep SQLite from reusing its log
// for as long as a slow client takes, and would take a reader from all other requests. So the archive is not one
// moment: each page is in it as it was when its turn came.
impl Store {
    /// The page after `page` as it is now, in the order of creation; begin with 0.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn export_page(&self, page: i64) -> Result<Option<Exported>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            "SELECT r.number, r.time, r.author, r.comment, r.text, p.id, p.name
             FROM pages p JOIN revisions r ON r.id = p.revision
             WHERE p.id > ?1 AND NOT p.deleted ORDER BY p.id LIMIT 1",
        )?;
        query.query_row([page], Exported::from_row).optional()
    }

    /// The older revision after revision `number` of `page`, page by page; begin with 0 and 0.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn export_older(&self, page: i64, number: i64) -> Result<Option<Exported>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            "SELECT r.number, r.time, r.author, r.comment, r.text, p.id, p.name
             FROM revisions r JOIN pages p ON p.id = r.page
             WHERE (r.page, r.number) > (?1, ?2) AND (p.deleted OR r.id <> p.revision)
             ORDER BY r.page, r.number LIMIT 1",
        )?;
        query
            .query_row((page, number), Exported::from_row)
            .optional()
    }
}
