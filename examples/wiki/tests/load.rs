//! The wiki under load. Figures need a release build:
//!
//! `cargo test --release -p wiki --test load -- --ignored --nocapture --test-threads 1`

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

mod process;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use process::{Connection, Process};

const CONNECTIONS: usize = 64;

/// How long the mixed load lasts; `WIKI_LOAD_SECONDS` says otherwise.
fn duration() -> Duration {
    let seconds = std::env::var("WIKI_LOAD_SECONDS")
        .ok()
        .and_then(|value| value.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

/// One at a time: each would spoil the other's figures.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that look random and are the same in each run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[derive(Default)]
struct Times {
    reads: Vec<Duration>,
    edits: Vec<Duration>,
    failures: Vec<String>,
}

/// What one visitor does until `end`: nine of ten things are reads.
fn visitor(addr: &str, number: usize, end: Instant) -> Times {
    let mut times = Times::default();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1));
    let mut connection = Connection::to(addr);
    let text = include_str!("../first_pages/Writing pages.md");
    while Instant::now() < end {
        let start = Instant::now();
        if dice.below(10) == 0 {
            let page = format!("/wiki/Visitor%20{number}");
            let text = format!("Edit {}.\n\n{text}", dice.below(1_000_000));
            match connection.try_edit(&page, &text) {
                Some(answer) if answer.status == 303 => times.edits.push(start.elapsed()),
                other => times.failures.push(format!("{page}: {other:?}")),
            }
        } else {
            let other = dice.below(CONNECTIONS as u64);
            let path = match dice.below(10) {
                0 => "/wiki/recent".to_owned(),
                1 => format!("/wiki/search?q=word+{other}"),
                2 => format!("/wiki/Visitor%20{other}/raw"),
                3 => format!("/wiki/Visitor%20{other}/history"),
                4 => "/wiki/".to_owned(),
                _ => format!("/wiki/Visitor%20{other}"),
            };
            match connection.try_send("GET", &path, "") {
                Some(answer) if answer.status == 200 => times.reads.push(start.elapsed()),
                other => times.failures.push(format!("{path}: {other:?}")),
            }
        }
    }
    times
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

#[test]
#[ignore = "takes a minute"]
fn nine_reads_to_one_edit_over_64_connections() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let wiki = Process::start(dir.path(), &[]);
    let mut connection = wiki.connect();
    for number in 0..CONNECTIONS {
        let page = format!("/wiki/Visitor%20{number}");
        assert_eq!(connection.try_edit(&page, "word").unwrap().status, 303);
    }
    let all = Mutex::new(Times::default());
    let end = Instant::now() + duration();
    let mut memory = Vec::new();
    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let (all, addr) = (&all, &wiki.addr);
            scope.spawn(move || {
                let times = visitor(addr, number, end);
                let mut all = all.lock().unwrap();
                all.reads.extend(times.reads);
                all.edits.extend(times.edits);
                all.failures.extend(times.failures);
            });
        }
        while Instant::now() + Duration::from_secs(1) < end {
            thread::sleep(duration() / 12);
            memory.push(wiki.resident_kib());
        }
    });
    let Times {
        mut reads,
        mut edits,
        failures,
    } = all.into_inner().unwrap();
    reads.sort();
    edits.sort();
    let report = |name: &str, times: &[Duration]| {
        let [median, p99, most] = [50, 99, 100].map(|percent| percentile(times, percent));
        println!(
            "{name}: {} ({}/s), median {median:?}, p99 {p99:?} ({:.1}x), longest {most:?}",
            times.len(),
            times.len() as u64 / duration().as_secs(),
            p99.as_secs_f64() / median.as_secs_f64()
        );
        (median, p99)
    };
    let (median, p99) = report("reads", &reads);
    report("edits", &edits);
    println!(
        "failures: {}; resident KiB over time: {memory:?}",
        failures.len()
    );
    assert!(failures.is_empty(), "{:?}", failures.first());
    // Below a tenth of a second no user notices, and a busy machine decides.
    assert!(
        p99 < (20 * median).max(Duration::from_millis(100)),
        "p99 of reads is {p99:?} where the median is {median:?}"
    );
    let (early, late) = (memory[memory.len() / 4], memory[memory.len() - 1]);
    assert!(late < early + early / 4 + 4096, "memory grew: {memory:?}");
}

#[test]
#[ignore = "writes a gigabyte"]
fn the_archive_of_a_gigabyte_is_sent_in_flat_memory() {
    const REVISIONS: i64 = 1100;

    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    drop(Process::start(dir.path(), &[]));
    // Through the file: a thousand forms of a megabyte would only take longer.
    let mut file = rusqlite::Connection::open(dir.path().join("wiki.db")).unwrap();
    let text: String = (0..30_000)
        .map(|n| format!("line {n} of a page that is much too long\n"))
        .collect();
    let transaction = file.transaction().unwrap();
    for number in 1..=REVISIONS {
        let id = number + 1_000;
        let page = 1_000 + number / 10;
        let insert = "INSERT OR REPLACE INTO pages (id, name, revision) VALUES (?1, ?2, ?3)";
        transaction
            .execute(insert, (page, format!("Page {page}"), id))
            .unwrap();
        let insert = "INSERT INTO revisions (id, page, number, time, author, comment, size, text)
                      VALUES (?1, ?2, ?3, 1800000000, '', '', ?4, ?5)";
        transaction
            .execute(insert, (id, page, number, text.len() as i64, &text))
            .unwrap();
    }
    transaction.commit().unwrap();
    drop(file);

    let wiki = Process::start(dir.path(), &[]);
    wiki.connect().get("/wiki/");
    wiki.connect().get("/wiki/Page%201000/raw");
    let before = wiki.peak_kib();
    let start = Instant::now();
    let bytes = wiki.connect().count("/wiki/export").unwrap();
    let grown = wiki.peak_kib() - before;
    println!(
        "{bytes} bytes in {:?}; peak memory {before} KiB, grown by {grown} KiB",
        start.elapsed()
    );
    assert!(bytes > 1 << 30, "{bytes}");
    assert!(grown < 16 * 1024, "grown by {grown} KiB");
    // Clients that go away half way leave nothing behind, neither threads nor readers.
    for _ in 0..60 {
        wiki.connect().abandon("/wiki/export", 256 * 1024);
    }
    assert_eq!(wiki.connect().get("/wiki/").status, 200);
    assert_eq!(wiki.connect().count("/wiki/export"), Some(bytes));
}
