//! What was acknowledged is kept: the real binary, killed with -9 while it writes.

mod process;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use process::Process;

/// How many writers write at once.
const WRITERS: usize = 4;

/// Edits its page until the server is gone; returns the last text that was acknowledged, and the
/// one that was on its way.
fn write_until_killed(addr: &str, writer: usize, from: u64, begun: &AtomicBool) -> (u64, u64) {
    let mut connection = process::Connection::to(addr);
    let page = format!("/wiki/Page%20{writer}");
    let mut acknowledged = from;
    loop {
        let next = acknowledged + 1;
        match connection.try_edit(&page, &format!("edit {next}\n")) {
            Some(answer) => {
                assert_eq!(answer.status, 303, "{answer:?}");
                acknowledged = next;
                begun.store(true, Ordering::Relaxed);
            }
            None => return (acknowledged, next),
        }
    }
}

#[test]
fn no_acknowledged_edit_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut last = [0; WRITERS];
    for round in 0..6 {
        let wiki = Process::start(&data, &[]);
        for (writer, &last) in last.iter().enumerate().filter(|_| round > 0) {
            // The last acknowledged one, or the one that was cut off after it was written.
            let raw = wiki
                .connect()
                .get(&format!("/wiki/Page%20{writer}/raw"))
                .text();
            let found = [last, last + 1]
                .iter()
                .any(|n| raw == format!("edit {n}\n"));
            assert!(
                found,
                "round {round}: {raw:?} where {last} was acknowledged"
            );
            // Nothing between is missing either.
            let history = wiki
                .connect()
                .get(&format!("/wiki/Page%20{writer}/raw?revision=1"));
            assert_eq!(history.text(), "edit 1\n");
        }
        let begun: [AtomicBool; WRITERS] = Default::default();
        let addr = wiki.addr.clone();
        let result = thread::scope(|scope| {
            let writers = last
                .iter()
                .zip(&begun)
                .enumerate()
                .map(|(writer, (&last, begun))| {
                    let addr = &addr;
                    scope.spawn(move || {
                        // Where the last one stands now: a cut-off edit may have been written.
                        let raw = process::Connection::to(addr)
                            .get(&format!("/wiki/Page%20{writer}/raw"))
                            .text();
                        let number = raw
                            .trim()
                            .strip_prefix("edit ")
                            .and_then(|n| n.parse().ok());
                        write_until_killed(addr, writer, number.unwrap_or(last), begun)
                    })
                });
            let writers: Vec<_> = writers.collect();
            while !begun.iter().all(|begun| begun.load(Ordering::Relaxed)) {
                thread::sleep(Duration::from_millis(5));
            }
            thread::sleep(Duration::from_millis(37 * (round + 1)));
            wiki.kill();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect::<Vec<_>>()
        });
        for (last, (acknowledged, _)) in last.iter_mut().zip(result) {
            *last = acknowledged;
        }
    }
    assert!(last.iter().all(|&last| last >= 6), "{last:?}");
    let file = rusqlite::Connection::open(data.join("wiki.db")).unwrap();
    let sound: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    // The index knows exactly the texts that are there.
    file.execute(
        "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)",
        [],
    )
    .unwrap();
}

#[test]
fn processes_that_share_a_file_do_not_lock_each_other_out() {
    let dir = tempfile::tempdir().unwrap();
    // Created by all of them at once.
    let wikis: Vec<_> = thread::scope(|scope| {
        let start = || Process::start(dir.path(), &[]);
        let started: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        started
            .into_iter()
            .map(|wiki| wiki.join().unwrap())
            .collect()
    });
    thread::scope(|scope| {
        for (writer, wiki) in wikis.iter().cycle().take(9).enumerate() {
            scope.spawn(move || {
                let mut connection = wiki.connect();
                for n in 0..20 {
                    let answer = connection.try_edit(&format!("/wiki/P{writer}"), &format!("{n}"));
                    let answer = answer.unwrap();
                    assert_eq!(answer.status, 303, "{}", answer.text());
                }
            });
        }
    });
    for writer in 0..9 {
        let raw = wikis[0]
            .connect()
            .get(&format!("/wiki/P{writer}/raw"))
            .text();
        assert_eq!(raw, "19");
    }
}
