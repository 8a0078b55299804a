//! Connections: one that writes, a few that read.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::Error;
use rusqlite::{Connection, ErrorCode, ffi};

use super::Result;
use super::schema::prepare;
use super::writer::Writer;

/// How long to wait for another process's lock. Each of its transactions takes milliseconds, so
/// who waits this long waits for a process that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for a connection to read with. Each reading takes milliseconds, so this many
/// before one are more than this machine can do: 503, before the visitor gives up.
const WAIT: Duration = Duration::from_secs(10);

/// How often a reading looks whether it is wanted still, in steps of SQLite's virtual machine: some
/// microseconds.
const STEPS: i32 = 1000;

/// How often one that waits does.
const GLANCE: Duration = Duration::from_millis(100);

/// The pages of a wiki, in one file. Its clones share the connections.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// Whether what reads by this clone need not go on.
    unwanted: Option<Unwanted>,
}

type Unwanted = Arc<dyn Fn() -> bool + Send + Sync>;

struct Shared {
    file: PathBuf,
    writer: Writer,
    readers: Mutex<Readers>,
    returned: Condvar,
    most_readers: usize,
    wait: Duration,
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
        prepare(&mut writer, first_pages)?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let shared = Shared {
            file: file.to_owned(),
            writer: Writer::new(writer),
            readers: Mutex::new(Readers {
                idle: Vec::new(),
                open: 0,
            }),
            returned: Condvar::new(),
            // Reading is memory and processor, not waiting: more than this only costs caches.
            most_readers: cores.clamp(2, 16) * 2,
            wait: WAIT,
        };
        Ok(Self {
            shared: Arc::new(shared),
            unwanted: None,
        })
    }

    /// The same pages for one visitor: what is read stops, with an error, as soon as `unwanted`
    /// says so. It is asked often. What is saved is saved.
    #[must_use]
    pub fn unless(&self, unwanted: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            unwanted: Some(Arc::new(unwanted)),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.shared.file
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    /// A connection to read with; waits for one to come back where all are in use, but not for
    /// ever.
    pub(super) fn reader(&self) -> Result<Reader<'_>> {
        let mut reader = Reader {
            store: &self.shared,
            connection: Some(self.shared.take(self.unwanted.as_deref())?),
        };
        if let (Some(unwanted), Some(connection)) = (&self.unwanted, &mut reader.connection) {
            let unwanted = Arc::clone(unwanted);
            connection.progress_handler(STEPS, Some(move || unwanted()))?;
        }
        Ok(reader)
    }
}

impl Shared {
    fn take(&self, unwanted: Option<&(dyn Fn() -> bool + Send + Sync)>) -> Result<Connection> {
        let until = Instant::now() + self.wait;
        let mut readers = lock(&self.readers);
        loop {
            if let Some(connection) = readers.idle.pop() {
                return Ok(connection);
            }
            if readers.open < self.most_readers {
                readers.open += 1;
                drop(readers);
                return self.connect_reader().inspect_err(|_| {
                    lock(&self.readers).open -= 1;
                    self.returned.notify_one();
                });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(refused(ffi::SQLITE_BUSY, "all connections are in use"));
            }
            if unwanted.is_some_and(|unwanted| unwanted()) {
                return Err(refused(ffi::SQLITE_INTERRUPT, "the visitor is gone"));
            }
            let waited = self.returned.wait_timeout(readers, left.min(GLANCE));
            readers = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn connect_reader(&self) -> Result<Connection> {
        let connection = connection(&self.file)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }
}

/// What SQLite itself would say.
fn refused(code: i32, why: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(why.to_owned()))
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

/// Whether another process held the lock, or others the connections, for longer than a
/// request waits.
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
    store: &'a Shared,
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
        if let Some(mut connection) = self.connection.take() {
            let _ = connection.progress_handler(0, None::<fn() -> bool>);
            lock(&self.store.readers).idle.push(connection);
            self.store.returned.notify_one();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("file", &self.file())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn store() -> (Store, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("wiki.db"), &[]).unwrap();
        (store, dir)
    }

    fn count_to(reader: &Reader<'_>, end: i64) -> Result<i64> {
        let query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                     SELECT count(*) FROM n";
        reader.query_row(query, [end], |row| row.get(0))
    }

    #[test]
    fn a_reading_stops_when_it_is_no_longer_wanted() {
        let (store, _dir) = store();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let visitor = store.unless(move || count.fetch_add(1, Ordering::Relaxed) >= 3);
        // Without end.
        let error = count_to(&visitor.reader().unwrap(), i64::MAX).unwrap_err();
        let code = error.sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::OperationInterrupted));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        // The connection is as good as before, for others.
        assert_eq!(count_to(&store.reader().unwrap(), 100_000), Ok(100_000));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_wait_for_a_connection_has_an_end() {
        let (mut store, _dir) = store();
        Arc::get_mut(&mut store.shared).unwrap().wait = Duration::from_millis(1);
        let readers: Vec<_> = (0..store.shared.most_readers)
            .map(|_| store.reader().unwrap())
            .collect();
        assert!(is_busy(&store.reader().err().unwrap()));
        drop(readers);
        assert_eq!(count_to(&store.reader().unwrap(), 1), Ok(1));
    }

    #[test]
    fn a_wait_that_is_no_longer_wanted_ends() {
        let (store, _dir) = store();
        let _readers: Vec<_> = (0..store.shared.most_readers)
            .map(|_| store.reader().unwrap())
            .collect();
        let error = store.unless(|| true).reader().err().unwrap();
        let code = error.sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::OperationInterrupted));
    }
}
