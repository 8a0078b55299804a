//! The connection that writes, and group commit: edits that come at once share one `fsync`.
//!
//! Waiting for the disk is nearly all that an edit costs. So an edit leaves the transaction open
//! if others are waiting to write, and the last of them commits for all. None is answered before
//! that, so each edit is as safe as it would be alone. An edit that comes alone does not wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use rusqlite::{Connection, Error, ffi};

use super::Result;
use super::connection::lock;

/// Edits in one group. The first of them waits for the work of all the others, and SQLite keeps
/// what they wrote in memory until the commit.
const LARGEST_GROUP: usize = 64;

/// Hands the connection to one after the other.
pub(super) struct Writer {
    desk: Mutex<Desk>,
    /// How many wait for the desk.
    queue: AtomicUsize,
}

struct Desk {
    connection: Connection,
    /// Whose work is in the open transaction, if one is open.
    group: Option<Arc<Group>>,
    size: usize,
}

/// Those who are committed together.
#[derive(Default)]
struct Group {
    end: OnceLock<Result<()>>,
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            desk: Mutex::new(Desk {
                connection,
                group: None,
                size: 0,
            }),
            queue: AtomicUsize::new(0),
        }
    }

    /// Does `work`, wholly or not at all, and returns when it is on the disk, or why it is not.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut turn = self.turn();
        let group = turn.join()?;
        let done = turn.step(work);
        drop(turn);
        match group.end.wait() {
            Ok(()) => done,
            // An edit's own error says more than that of the group.
            Err(error) => done.and(Err(copy(error))),
        }
    }

    fn turn(&self) -> Turn<'_> {
        self.queue.fetch_add(1, Ordering::SeqCst);
        let desk = lock(&self.desk);
        self.queue.fetch_sub(1, Ordering::SeqCst);
        Turn { writer: self, desk }
    }
}

/// The time in which one edit has the connection.
struct Turn<'a> {
    writer: &'a Writer,
    desk: MutexGuard<'a, Desk>,
}

impl Turn<'_> {
    /// The group of the open transaction; opens one where there is none.
    fn join(&mut self) -> Result<Arc<Group>> {
        let desk = &mut *self.desk;
        if let Some(group) = &desk.group {
            desk.size += 1;
            return Ok(Arc::clone(group));
        }
        // It takes the lock now. A transaction that read first and wrote later could be refused
        // half way, whatever the patience (SQLITE_BUSY_SNAPSHOT).
        desk.connection.execute_batch("BEGIN IMMEDIATE")?;
        desk.size = 1;
        Ok(Arc::clone(desk.group.insert(Arc::default())))
    }

    /// What fails, or panics, is undone without the work of the others.
    fn step<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let savepoint = self.desk.connection.savepoint()?;
        let done = work(&savepoint)?;
        savepoint.commit()?;
        Ok(done)
    }
}

impl Drop for Turn<'_> {
    /// Commits, unless another edit waits to join: then that one will, or the next.
    fn drop(&mut self) {
        let last = self.writer.queue.load(Ordering::SeqCst) == 0;
        let full = self.desk.size >= LARGEST_GROUP;
        // A full disk ends the whole transaction, not only the step that met it.
        let lost = self.desk.connection.is_autocommit();
        if !(last || full || lost) {
            return;
        }
        let Some(group) = self.desk.group.take() else {
            return;
        };
        let connection = &self.desk.connection;
        let end = connection.execute_batch("COMMIT");
        if !connection.is_autocommit() {
            // Else the next group would begin inside this one.
            let _ = connection.execute_batch("ROLLBACK");
        }
        let _ = group.end.set(end);
    }
}

/// One error for each who was in the group.
fn copy(error: &Error) -> Error {
    match error {
        Error::SqliteFailure(code, text) => Error::SqliteFailure(*code, text.clone()),
        other => {
            let code = ffi::Error::new(ffi::SQLITE_ERROR);
            Error::SqliteFailure(code, Some(other.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    /// A table, and who looks at it from outside.
    fn table() -> (Writer, Connection, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("test.db");
        let connection = Connection::open(&file).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;
                 CREATE TABLE t (
                     n INTEGER PRIMARY KEY,
                     parent INTEGER REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED
                 )",
            )
            .unwrap();
        let outside = Connection::open(file).unwrap();
        (Writer::new(connection), outside, dir)
    }

    fn insert(writer: &Writer, n: i64) -> Result<usize> {
        writer.write(|connection| connection.execute("INSERT INTO t (n) VALUES (?1)", [n]))
    }

    fn rows(outside: &Connection) -> Vec<i64> {
        let mut query = outside.prepare("SELECT n FROM t").unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_>>().unwrap()
    }

    /// Holds the desk until all of `edits` wait for it, so that they become one group.
    fn at_once<T: Send>(writer: &Writer, edits: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
        let count = edits.len();
        thread::scope(|scope| {
            let turn = writer.turn();
            let threads: Vec<_> = edits.into_iter().map(|edit| scope.spawn(edit)).collect();
            while writer.queue.load(Ordering::SeqCst) < count {
                thread::yield_now();
            }
            drop(turn);
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    #[test]
    fn who_comes_alone_waits_for_nobody() {
        let (writer, outside, _dir) = table();
        assert_eq!(insert(&writer, 1), Ok(1));
        assert_eq!(rows(&outside), [1]);
    }

    #[test]
    fn who_waits_together_is_committed_together() {
        let (writer, outside, _dir) = table();
        let outside = Mutex::new(outside);
        let edits = (0..10).map(|n| {
            let (writer, outside) = (&writer, &outside);
            move || {
                writer.write(|connection| {
                    connection.execute("INSERT INTO t (n) VALUES (?1)", [n])?;
                    Ok(rows(&lock(outside)).len())
                })
            }
        });
        // No edit saw another's work before the commit.
        let seen = at_once(&writer, edits.collect());
        assert!(seen.iter().all(|seen| *seen == Ok(0)), "{seen:?}");
        assert_eq!(rows(&lock(&outside)).len(), 10);
    }

    #[test]
    fn what_fails_is_undone_alone() {
        let (writer, outside, _dir) = table();
        let edits = [1, 1, 2, 2, 3].map(|n| {
            let writer = &writer;
            move || insert(writer, n).is_ok()
        });
        let done = at_once(&writer, edits.into());
        assert_eq!(done.iter().filter(|done| **done).count(), 3);
        assert_eq!(rows(&outside), [1, 2, 3]);
    }

    #[test]
    fn a_panic_undoes_its_own_work_and_holds_nobody_up() {
        let (writer, outside, _dir) = table();
        let edits = [1, 2, 3].map(|n| {
            let writer = &writer;
            move || {
                let work = |connection: &Connection| {
                    connection.execute("INSERT INTO t (n) VALUES (?1)", [n])?;
                    assert!(n != 2, "a mistake");
                    Ok(())
                };
                catch_unwind(AssertUnwindSafe(|| writer.write(work))).is_ok()
            }
        });
        assert_eq!(at_once(&writer, edits.into()), [true, false, true]);
        assert_eq!(rows(&outside), [1, 3]);
    }

    #[test]
    fn a_commit_that_fails_fails_for_all_of_its_group_and_for_nobody_else() {
        let (writer, outside, _dir) = table();
        let edits = [1, 2, 3].map(|n| {
            let writer = &writer;
            move || {
                // A parent that is not there is noticed at the commit.
                let insert = "INSERT INTO t VALUES (?1, 99)";
                writer
                    .write(|connection| connection.execute(insert, [n]))
                    .is_err()
            }
        });
        assert_eq!(at_once(&writer, edits.into()), [true; 3]);
        assert_eq!(rows(&outside), [] as [i64; 0]);
        assert_eq!(insert(&writer, 4), Ok(1));
        assert_eq!(rows(&outside), [4]);
    }

    #[test]
    fn a_group_has_an_end_however_many_come() {
        let (writer, outside, _dir) = table();
        thread::scope(|scope| {
            for n in 0..200 {
                let writer = &writer;
                scope.spawn(move || assert_eq!(insert(writer, n), Ok(1)));
            }
        });
        assert_eq!(rows(&outside).len(), 200);
    }
}
