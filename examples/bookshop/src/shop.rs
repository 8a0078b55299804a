//! The books, and the database that they are in.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use gateway_core::{Environ, Error};
use gateway_web::{EnvironExt, Form, FormErrors};
use rusqlite::{Connection, Params, Row};
use serde::{Deserialize, Serialize};

/// The shop's database.
#[derive(Debug)]
pub struct Shop(Mutex<Connection>);

impl Shop {
    /// Opens the database, and makes it with a few books in it where there is none.
    ///
    /// # Errors
    ///
    /// SQLite cannot open or write the file.
    pub fn open(file: impl AsRef<Path>) -> rusqlite::Result<Self> {
        let db = Connection::open(file)?;
        if db.query_row("PRAGMA user_version", [], |row| row.get(0)) == Ok(0) {
            db.execute_batch(include_str!("schema.sql"))?;
        }
        Ok(Self(Mutex::new(db)))
    }

    /// Every row of the answer. It waits for the database: the views run on threads that may block.
    #[track_caller]
    pub(crate) fn ask<T>(
        environ: &Environ,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let shop = environ.state::<Self>()?;
        let db = shop.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = db.prepare_cached(sql)?;
        let rows = query.query_map(values, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Book {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) author: String,
    pub(crate) year: u32,
    pub(crate) cents: u32,
    pub(crate) stock: u32,
    pub(crate) has_cover: bool,
}

impl Book {
    pub(crate) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            title: row.get("title")?,
            author: row.get("author")?,
            year: row.get("year")?,
            cents: row.get("cents")?,
            stock: row.get("stock")?,
            has_cover: row.get("has_cover")?,
        })
    }

    /// The book that a form describes, or else everything that is wrong with it.
    pub(crate) fn checked(form: &Form) -> Result<Self, FormErrors> {
        let mut errors = FormErrors::default();
        for name in ["title", "author"] {
            if !(1..=200).contains(&form.get(name).unwrap_or_default().trim().len()) {
                errors.add(name, "A text of at most 200 bytes.");
            }
        }
        for (name, least) in [("year", 1), ("cents", 1), ("stock", 0)] {
            let number = form.get(name).and_then(|text| text.parse::<u32>().ok());
            if number.is_none_or(|number| !(least..=9999).contains(&number)) {
                errors.add(name, format!("A number from {least} to 9999."));
            }
        }
        let book = form.parse().map_err(|error| errors.extend([error])).ok();
        book.filter(|_| errors.is_empty()).ok_or(errors)
    }
}
