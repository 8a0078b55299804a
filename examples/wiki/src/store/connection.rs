//! Connections: one that writes, a few that read.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::Error;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::writer::Writer;
use super::{Edit, Result};
use crate::name::PageName;

/// How long to wait for another process's lock. Each of its transactions takes milliseconds, so
/// who waits this long waits for a process that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which schema the file has (`PRAGMA user_version`).
const SCHEMA: i64 = 1;

/// The pages of a wiki, in one file.
pub struct Store {
    file: PathBuf,
    pub(super) writer: Writer,
    readers: Mutex<Readers>,
    returned: Condvar,
    most_readers: usize,
}

/// Readers are opened when they are first needed and kept.
struct Readers {
    idle: Vec<Connection>,
    open: usize,
}

impl Store {
    /// Opens the file, and creates it with `first_pages` (name, text) if it is not there.
    ///
    /// # Errors
    ///
    /// What SQLite says: no such directory, no permission, not a database, a newer schema.
    pub fn open(file: &Path, first_pages: &[(&str, &str)]) -> std::result::Result<Self, Error> {
        let mut writer = connection(file)?;
        enter_wal(&writer)?;
        create(&mut writer, first_pages)?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Self {
            file: file.to_owned(),
            writer: Writer::new(writer),
            readers: Mutex::new(Readers {
                idle: Vec::new(),
                open: 0,
            }),
            returned: Condvar::new(),
            // Reading is memory and processor, not waiting: more than this only costs caches.
            most_readers: cores.clamp(2, 16) * 2,
        })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A connection to read with; waits for one to come back where all are in use.
    pub(super) fn reader(&self) -> Result<Reader<'_>> {
        let mut readers = lock(&self.readers);
        loop {
            if let Some(connection) = readers.idle.pop() {
                return Ok(self.lend(connection));
            }
            if readers.open < self.most_readers {
                readers.open += 1;
                drop(readers);
                return match self.connect_reader() {
                    Ok(connection) => Ok(self.lend(connection)),
                    Err(error) => {
                        lock(&self.readers).open -= 1;
                        self.returned.notify_one();
                        Err(error)
                    }
                };
            }
            let waited = self.returned.wait(readers);
            readers = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn connect_reader(&self) -> Result<Connection> {
        let connection = connection(&self.file)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn lend(&self, connection: Connection) -> Reader<'_> {
        Reader {
            store: self,
            connection: Some(connection),
        }
    }
}

/// Makes the tables, if somebody else has not, and writes the first pages.
fn create(writer: &mut Connection, first_pages: &[(&str, &str)]) -> std::result::Result<(), Error> {
    // Now, not at the first write: another process may be about to create the same tables.
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 => {
            transaction.execute_batch(include_str!("schema.sql"))?;
            transaction.pragma_update(None, "user_version", SCHEMA)?;
            for (name, text) in first_pages {
                let name = PageName::new(name)?;
                let edit = Edit {
                    name: &name,
                    base: 0,
                    text,
                    comment: "A first page",
                    author: "",
                };
                edit.save(&transaction)?;
            }
            Ok(transaction.commit()?)
        }
        SCHEMA => Ok(()),
        _ => Err(Error::msg(format!(
            "the database has schema {version}; this program knows {SCHEMA}"
        ))),
    }
}

fn connection(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(32);
    // A commit is on the disk before it is acknowledged, and survives the loss of power as well.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // KiB, per connection.
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    Ok(connection)
}

/// The one step that SQLite's own patience does not cover: two processes that create the file at
/// once are told `database is locked` at once.
fn enter_wal(connection: &Connection) -> Result<()> {
    let start = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// Whether another process held the lock for longer than anybody waits.
#[must_use]
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// A request that panicked left nothing half done: what it wrote was rolled back.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection on loan.
pub(super) struct Reader<'a> {
    store: &'a Store,
    connection: Option<Connection>,
}

impl Deref for Reader<'_> {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is taken out by `drop` only")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a connection on loan")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            lock(&self.store.readers).idle.push(connection);
            self.store.returned.notify_one();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
