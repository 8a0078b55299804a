//! The tables, and how they became what they are.
//!
//! A new file takes every step that an old one takes, so both are the same in the end.

use std::collections::{BTreeMap, BTreeSet};

use gateway_core::Error;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::save::{append, index};
use super::{Change, Edit, Result};
use crate::name::{PageName, composed, key as name_key};

/// The newest (`PRAGMA user_version`).
const SCHEMA: i64 = 2;

/// Makes the tables what this program knows, if another process has not, and writes the first
/// pages of a new wiki. All of it or nothing.
pub(super) fn prepare(
    writer: &mut Connection,
    first_pages: &[(&str, &str)],
) -> std::result::Result<(), Error> {
    // Now, not at the first write: another process may be about to do the same.
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if !(0..=SCHEMA).contains(&found) {
        return Err(Error::msg(format!(
            "the database has schema {found}; this program knows {SCHEMA}"
        )));
    }
    if found < 1 {
        transaction.execute_batch(include_str!("schema_1.sql"))?;
    }
    if found < 2 {
        transaction.execute_batch(include_str!("schema_2.sql"))?;
        name_pages(&transaction)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
    }
    if found < 1 {
        for (name, text) in first_pages {
            let name = PageName::new(name)?;
            let edit = Edit {
                name: &name,
                base: 0,
                comment: "A first page",
                author: "",
                change: Change::Text(text),
            };
            edit.save(&transaction)?;
        }
    }
    Ok(transaction.commit()?)
}

/// A page as schema 1 has it.
struct Old {
    page: i64,
    name: String,
    /// The id of the newest revision, which grows with each edit of the wiki.
    newest: i64,
}

/// Fills the table of names. Pages whose names are one name now become one page, with the
/// histories of all.
fn name_pages(transaction: &Transaction<'_>) -> Result<()> {
    let mut spellings: BTreeMap<String, Vec<Old>> = BTreeMap::new();
    let mut query = transaction.prepare("SELECT id, name, revision FROM pages")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let old = Old {
            page: row.get(0)?,
            name: row.get(1)?,
            newest: row.get(2)?,
        };
        spellings.entry(name_key(&old.name)).or_default().push(old);
    }
    let mut keys: BTreeSet<String> = spellings.keys().cloned().collect();
    for (mut key, mut pages) in spellings {
        // What was written last is what the page shows.
        pages.sort_by_key(|old| old.newest);
        let Some(kept) = pages.pop() else { continue };
        for other in &pages {
            transaction.execute(
                "UPDATE revisions SET page = ?1, number = -id WHERE page = ?2",
                (kept.page, other.page),
            )?;
            transaction.execute("DELETE FROM pages WHERE id = ?1", [other.page])?;
        }
        let mut name = composed(&kept.name).into_owned();
        if PageName::new(&name).is_err() {
            // Some letters of India are longer when composed, and then it may be too long.
            (key, name) = (kept.page..)
                .map(|number| format!("Page {number}"))
                .map(|name| (name_key(&name), name))
                .find(|(key, _)| !keys.contains(key))
                .unwrap_or_default();
            keys.insert(key.clone());
        }
        transaction.execute(
            "UPDATE pages SET name = ?2 WHERE id = ?1",
            (kept.page, &name),
        )?;
        transaction.execute("INSERT INTO names VALUES (?1, ?2)", (key, kept.page))?;
        if !pages.is_empty() {
            renumber(transaction, kept.page)?;
            say_so(transaction, &kept, &pages)?;
        }
        let text: String = transaction.query_row(
            "SELECT text FROM current WHERE id = ?1",
            [kept.page],
            |row| row.get(0),
        )?;
        index(transaction, kept.page, &name, &text)?;
    }
    Ok(())
}

/// Numbers the revisions of a page anew, in the order in which they were saved.
fn renumber(transaction: &Transaction<'_>, page: i64) -> Result<()> {
    // No number is given twice on the way: what is not numbered yet is below zero.
    transaction.execute("UPDATE revisions SET number = -id WHERE page = ?1", [page])?;
    transaction.execute(
        "UPDATE revisions SET number = new.number
         FROM (SELECT id, row_number() OVER (ORDER BY id) AS number
               FROM revisions WHERE page = ?1) AS new
         WHERE new.id = revisions.id",
        [page],
    )?;
    Ok(())
}

/// Leaves a note in the history where the other pages' last texts are.
fn say_so(transaction: &Transaction<'_>, kept: &Old, others: &[Old]) -> Result<()> {
    let revision = "SELECT number, text FROM revisions WHERE id = ?1";
    let mut comment = "Put together with".to_owned();
    for (index, other) in others.iter().enumerate() {
        let number: i64 = transaction.query_row(revision, [other.newest], |row| row.get(0))?;
        let comma = if index > 0 { "," } else { "" };
        comment += &format!(
            "{comma} “{}” (its last text is revision {number})",
            other.name
        );
    }
    let (number, text): (i64, String) = transaction.query_row(revision, [kept.newest], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    append(transaction, kept.page, number + 1, ("", &comment), &text)?;
    Ok(())
}
