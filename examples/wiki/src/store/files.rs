//! Files that belong to pages: what is known of them is in the database, what is in them beside it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use gateway_core::Error;
use rusqlite::{OptionalExtension, Row};
use serde::Serialize;

use super::save::now;
use super::{Page, Result, Store};
use crate::name::{composed, key};
use crate::token::random;

/// A file of a page.
#[derive(Clone, Debug, Serialize)]
pub struct Attachment {
    /// Over all pages.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What kind of image it is by its content, such as `image/png`; else empty.
    pub image: String,
    /// In bytes.
    pub size: i64,
    /// When it came, in seconds since 1970.
    pub time: i64,
    /// Who brought it, if it is known.
    pub author: String,
    /// It is no longer to be had, but can be brought back.
    pub removed: bool,
    /// What its content is called in the directory of all. Another for every content.
    #[serde(skip)]
    pub place: String,
}

/// In the order of [`Attachment::from_row`].
const COLUMNS: &str = "id, name, image, size, time, author, removed, place";

impl Attachment {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            image: row.get(2)?,
            size: row.get(3)?,
            time: row.get(4)?,
            author: row.get(5)?,
            removed: row.get(6)?,
            place: row.get(7)?,
        })
    }
}

impl Store {
    /// The newest files of a page, removed ones too, at most `limit`.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn attachments(&self, page: &Page, limit: u32) -> Result<Vec<Attachment>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM files WHERE page = ?1 ORDER BY removed, id DESC LIMIT ?2"
        ))?;
        let rows = query.query_map((page.id, limit), Attachment::from_row)?;
        rows.collect()
    }

    /// The file of a page by its name, in any spelling.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn attachment(&self, page: &Page, name: &str) -> Result<Option<Attachment>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM files WHERE page = ?1 AND key = ?2 AND NOT removed"
        ))?;
        let row = query.query_row((page.id, key(name)), Attachment::from_row);
        row.optional()
    }

    /// Keeps `content` as a file of the page. One of the same name is removed. When this returns,
    /// the file survives a crash.
    ///
    /// # Errors
    ///
    /// What the disk or SQLite says; then there is no such file.
    pub fn attach(
        &self,
        page: &Page,
        name: &str,
        author: &str,
        mut content: impl Read,
    ) -> std::result::Result<(), Error> {
        let place = random()?;
        let path = self.content(&place);
        let directory = path.with_file_name("");
        fs::create_dir_all(&directory)?;
        let kept = (|| {
            let mut start = Vec::new();
            content.by_ref().take(16).read_to_end(&mut start)?;
            let mut file = File::create_new(&path)?;
            let size = io::copy(&mut (&*start).chain(content), &mut file)?;
            file.sync_all()?;
            File::open(&directory)?.sync_all()?;
            self.writer().write(|writer| {
                let key = key(name);
                let mut replace = writer.prepare_cached(
                    "UPDATE files SET removed = 1 WHERE page = ?1 AND key = ?2 AND NOT removed",
                )?;
                replace.execute((page.id, &key))?;
                let mut insert = writer.prepare_cached(
                    "INSERT INTO files (page, key, name, image, size, time, author, place)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?;
                let (name, image) = (composed(name), image(&start));
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                insert.execute((page.id, key, name, image, size, now(), author, &place))
            })?;
            Ok(())
        })();
        if kept.is_err() {
            let _ = fs::remove_file(path);
        }
        kept
    }

    /// Removes a file of the page, or brings it back in place of one of the same name. `false`: the
    /// page has no such file.
    ///
    /// # Errors
    ///
    /// What SQLite says; then nothing was changed.
    pub fn set_removed(&self, page: &Page, file: i64, removed: bool) -> Result<bool> {
        self.writer().write(|writer| {
            let same = "page = ?1 AND key = (SELECT key FROM files WHERE id = ?2 AND page = ?1)";
            let mut all = writer.prepare_cached(&format!(
                "UPDATE files SET removed = 1 WHERE {same} AND (?3 = 0 OR id = ?2)"
            ))?;
            let found = all.execute((page.id, file, removed))? > 0;
            let mut back = writer
                .prepare_cached("UPDATE files SET removed = ?3 WHERE page = ?1 AND id = ?2")?;
            back.execute((page.id, file, removed))?;
            Ok(found)
        })
    }

    /// The file after `id` that was not removed, and its page's name; begin with 0.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn export_file(&self, id: i64) -> Result<Option<(String, Attachment)>> {
        let reader = self.reader()?;
        let mut query = reader.prepare_cached(
            "SELECT f.id, f.name, f.image, f.size, f.time, f.author, f.removed, f.place, p.name
             FROM files f JOIN pages p ON p.id = f.page
             WHERE f.id > ?1 AND NOT f.removed AND NOT p.deleted ORDER BY f.id LIMIT 1",
        )?;
        let row = query.query_row([id], |row| Ok((row.get(8)?, Attachment::from_row(row)?)));
        row.optional()
    }

    /// Where the content of a file is.
    #[must_use]
    pub fn content(&self, place: &str) -> PathBuf {
        self.file().with_file_name("files").join(place)
    }
}

/// Which image a content is by its first bytes, of those that run nothing. What the client says may
/// be wrong; and no SVG, which runs scripts.
fn image(start: &[u8]) -> &'static str {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => "image/webp",
        _ => "",
    }
}
