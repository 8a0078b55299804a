//! Writing.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::words::indexed;
use super::{Page, Result, Store};
use crate::name::{PageName, key};

/// One edit: what an author wants to do to a page.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The page.
    pub name: &'a PageName,
    /// The number of the revision that the author saw; 0 where there was no page.
    pub base: i64,
    /// What the author says about it.
    pub comment: &'a str,
    /// Who it is, if it is known.
    pub author: &'a str,
    /// What is to be done.
    pub change: Change<'a>,
}

/// What is to be done to a page.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// It has this text from now on. A page that was deleted is there again.
    Text(&'a str),
    /// It is called this from now on. Its names up to now lead to it as well.
    Name(&'a PageName),
    /// It is gone. Its history stays.
    Delete,
}

/// What became of an edit.
#[derive(Debug)]
pub enum Outcome {
    /// It is on the disk, as this revision.
    Saved(i64),
    /// The page is that already, in this revision.
    Unchanged(i64),
    /// Another author has saved meanwhile: nothing was written. The page as it is now.
    Conflict(Box<Page>),
    /// Another page has that name: nothing was written.
    Taken,
    /// There is no page to rename or to delete.
    Missing,
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
        let Some(page) = Page::named(writer, self.name)? else {
            return self.create(writer);
        };
        let current = &page.newest;
        let (name, text) = match self.change {
            Change::Text(text) => (page.name.as_str(), text),
            Change::Name(name) => (name.as_str(), current.text.as_str()),
            Change::Delete => (page.name.as_str(), ""),
        };
        let deleted = matches!(self.change, Change::Delete);
        if page.deleted == deleted && page.name == name && (deleted || current.text == text) {
            return Ok(Outcome::Unchanged(current.number));
        }
        if current.number != self.base {
            return Ok(Outcome::Conflict(Box::new(page)));
        }
        if let Change::Name(name) = self.change {
            if page.deleted {
                return Ok(Outcome::Missing);
            }
            if !take(writer, name, page.id)? {
                return Ok(Outcome::Taken);
            }
        }
        let number = current.number + 1;
        append(writer, page.id, number, (self.author, self.comment), text)?;
        let mut change =
            writer.prepare_cached("UPDATE pages SET name = ?2, deleted = ?3 WHERE id = ?1")?;
        change.execute((page.id, name, deleted))?;
        if deleted {
            unindex(writer, page.id)?;
        } else {
            index(writer, page.id, name, text)?;
        }
        Ok(Outcome::Saved(number))
    }

    fn create(&self, writer: &Connection) -> Result<Outcome> {
        let Change::Text(text) = self.change else {
            return Ok(Outcome::Missing);
        };
        let name = self.name.as_str();
        let mut create =
            writer.prepare_cached("INSERT INTO pages (name, revision) VALUES (?1, 0)")?;
        let page = create.insert([name])?;
        let mut call = writer.prepare_cached("INSERT INTO names VALUES (?1, ?2)")?;
        call.execute((self.name.key(), page))?;
        append(writer, page, 1, (self.author, self.comment), text)?;
        index(writer, page, name, text)?;
        Ok(Outcome::Saved(1))
    }
}

/// Has `name` lead to `page`, unless it is another page's own.
fn take(writer: &Connection, name: &PageName, page: i64) -> Result<bool> {
    if let Some(other) = Page::named(writer, name)?
        && other.id != page
        && key(&other.name) == name.key()
    {
        return Ok(false);
    }
    let mut call = writer.prepare_cached("INSERT OR REPLACE INTO names VALUES (?1, ?2)")?;
    call.execute((name.key(), page))?;
    Ok(true)
}

/// Adds a revision, by `(author, comment)`, and makes it the newest.
pub(super) fn append(
    writer: &Connection,
    page: i64,
    number: i64,
    (author, comment): (&str, &str),
    text: &str,
) -> Result<()> {
    let mut insert = writer.prepare_cached(
        "INSERT INTO revisions (page, number, time, author, comment, size, text)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let size = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let revision = insert.insert((page, number, now(), author, comment, size, text))?;
    let mut change = writer.prepare_cached("UPDATE pages SET revision = ?2 WHERE id = ?1")?;
    change.execute((page, revision))?;
    Ok(())
}

/// In seconds since 1970.
pub(super) fn now() -> i64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(time.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

pub(super) fn index(writer: &Connection, page: i64, name: &str, text: &str) -> Result<()> {
    let mut insert = writer
        .prepare_cached("INSERT OR REPLACE INTO search (rowid, name, text) VALUES (?1, ?2, ?3)")?;
    insert.execute((page, indexed(name), indexed(text)))?;
    Ok(())
}

fn unindex(writer: &Connection, page: i64) -> Result<()> {
    let mut delete = writer.prepare_cached("DELETE FROM search WHERE rowid = ?1")?;
    delete.execute([page])?;
    Ok(())
}
