//! Writing.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension};

use super::{Result, Revision, Store};
use crate::name::PageName;

/// One edit: what an author wants to save.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The page.
    pub name: &'a PageName,
    /// The number of the revision that the author saw; 0 where there was no page.
    pub base: i64,
    /// The whole new text.
    pub text: &'a str,
    /// What the author says about it.
    pub comment: &'a str,
    /// Who it is, if it is known.
    pub author: &'a str,
}

/// What became of an edit.
#[derive(Debug)]
pub enum Outcome {
    /// It is on the disk, as this revision.
    Saved(i64),
    /// The page has that text already, in this revision.
    Unchanged(i64),
    /// Another author has saved meanwhile: nothing was written. The page as it is now.
    Conflict(Box<Revision>),
}

impl Store {
    /// Saves an edit. When this returns [`Outcome::Saved`], the edit survives a crash.
    ///
    /// # Errors
    ///
    /// What SQLite says; then nothing was written.
    pub fn save(&self, edit: Edit<'_>) -> Result<Outcome> {
        self.writer().write(|connection| edit.save(connection))
    }
}

impl Edit<'_> {
    pub(super) fn save(&self, writer: &Connection) -> Result<Outcome> {
        let page = page(writer, self.name)?;
        match page {
            Some((_, current)) if current.text == self.text => {
                Ok(Outcome::Unchanged(current.number))
            }
            Some((_, current)) if current.number != self.base => {
                Ok(Outcome::Conflict(Box::new(current)))
            }
            Some((id, current)) => {
                let number = current.number + 1;
                let revision = self.insert(writer, id, number)?;
                let mut change =
                    writer.prepare_cached("UPDATE pages SET revision = ?2 WHERE id = ?1")?;
                // The index must be told the old text in order to forget it, while the view
                // still shows it.
                unindex(writer, id, self.name, &current.text)?;
                change.execute((id, revision))?;
                index(writer, id, self.name, self.text)?;
                Ok(Outcome::Saved(number))
            }
            None => {
                let mut create =
                    writer.prepare_cached("INSERT INTO pages (name, revision) VALUES (?1, 0)")?;
                let id = create.insert([self.name.as_str()])?;
                let revision = self.insert(writer, id, 1)?;
                let mut change =
                    writer.prepare_cached("UPDATE pages SET revision = ?2 WHERE id = ?1")?;
                change.execute((id, revision))?;
                index(writer, id, self.name, self.text)?;
                Ok(Outcome::Saved(1))
            }
        }
    }

    fn insert(&self, writer: &Connection, page: i64, number: i64) -> Result<i64> {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut insert = writer.prepare_cached(
            "INSERT INTO revisions (page, number, time, author, comment, size, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let time = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let size = i64::try_from(self.text.len()).unwrap_or(i64::MAX);
        insert.insert((
            page,
            number,
            time,
            self.author,
            self.comment,
            size,
            self.text,
        ))
    }
}

fn page(writer: &Connection, name: &PageName) -> Result<Option<(i64, Revision)>> {
    let mut query = writer.prepare_cached(
        "SELECT number, time, author, comment, text, page FROM revisions
         WHERE id = (SELECT revision FROM pages WHERE name = ?1)",
    )?;
    let page = query.query_row([name.as_str()], |row| {
        Ok((row.get(5)?, Revision::from_row(row)?))
    });
    page.optional()
}

fn index(writer: &Connection, id: i64, name: &PageName, text: &str) -> Result<()> {
    let mut insert =
        writer.prepare_cached("INSERT INTO search (rowid, name, text) VALUES (?1, ?2, ?3)")?;
    insert.execute((id, name.as_str(), text))?;
    Ok(())
}

fn unindex(writer: &Connection, id: i64, name: &PageName, text: &str) -> Result<()> {
    let mut delete = writer.prepare_cached(
        "INSERT INTO search (search, rowid, name, text) VALUES ('delete', ?1, ?2, ?3)",
    )?;
    delete.execute((id, name.as_str(), text))?;
    Ok(())
}
