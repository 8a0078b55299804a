//! A wiki of before, opened by this program.

use std::path::Path;

use rusqlite::Connection;
use wiki::name::PageName;
use wiki::store::Store;

fn old_wiki(file: &Path, edits: &[(&str, &str)]) {
    let db = Connection::open(file).unwrap();
    db.execute_batch(include_str!("../src/store/schema_1.sql"))
        .unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    for (name, text) in edits {
        db.execute_batch("BEGIN").unwrap();
        db.execute(
            "INSERT OR IGNORE INTO pages (name, revision) VALUES (?1, 0)",
            [name],
        )
        .unwrap();
        db.execute(
            "INSERT INTO revisions (page, number, time, author, comment, size, text)
             SELECT id, 1 + (SELECT count(*) FROM revisions r WHERE r.page = p.id), 0, '', ?2, 0, ?2
             FROM pages p WHERE name = ?1",
            [name, text],
        )
        .unwrap();
        db.execute(
            "UPDATE pages SET revision = last_insert_rowid() WHERE name = ?1",
            [name],
        )
        .unwrap();
        db.execute_batch("COMMIT").unwrap();
    }
}

#[test]
fn pages_of_one_name_become_one_page_with_the_histories_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wiki.db");
    let decomposed = "Cafe\u{301}";
    old_wiki(
        &file,
        &[
            ("Café", "one"),
            ("café", "two"),
            ("Tea", "tea"),
            (decomposed, "three"),
            ("Café", "four"),
            ("café", "five"),
        ],
    );
    for _ in 0..2 {
        let store = Store::open(&file, &[("Never", "written")]).unwrap();
        for spelling in ["Café", "CAFÉ", decomposed] {
            let name = PageName::new(spelling).unwrap();
            let page = store.page(&name).unwrap().unwrap();
            assert_eq!((&*page.name, &*page.newest.text), ("café", "five"));
            let history = store.history(&name, None, 50).unwrap().rows;
            let seen = history.iter().rev().map(|change| &*change.comment);
            let (last, seen) = {
                let mut seen: Vec<_> = seen.collect();
                (seen.pop().unwrap(), seen)
            };
            assert_eq!(seen, ["one", "two", "three", "four", "five"]);
            assert_eq!(
                last,
                "Put together with “Cafe\u{301}” (its last text is revision 3), \
                 “Café” (its last text is revision 4)"
            );
            assert_eq!(history[0].number, 6);
            let four = store.revision(&name, 4).unwrap().unwrap();
            assert_eq!(four.text, "four");
        }
        let found = store.search("five", 9).unwrap();
        assert_eq!(found.len(), 1);
        assert!(store.search("four", 9).unwrap().is_empty());
        assert_eq!(store.names("", 9).unwrap().rows, ["café", "Tea"]);
    }
}

#[test]
fn an_old_wiki_without_such_names_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wiki.db");
    old_wiki(
        &file,
        &[("Tea", "one"), ("Tea", "two"), (&"é".repeat(100), "long")],
    );
    let store = Store::open(&file, &[]).unwrap();
    let name = PageName::new("Tea").unwrap();
    let numbers = store.history(&name, None, 50).unwrap().rows;
    let numbers: Vec<_> = numbers.iter().map(|change| change.number).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(store.search("two", 9).unwrap().len(), 1);
}

#[test]
fn a_page_whose_name_has_become_too_long_has_another() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wiki.db");
    let long = "\u{958}".repeat(66);
    old_wiki(
        &file,
        &[(&long, "long"), ("page 1", "own"), (&long[3..], "long too")],
    );
    let store = Store::open(&file, &[]).unwrap();
    assert_eq!(
        store.names("", 9).unwrap().rows,
        ["page 1", "Page 2", "Page 3"]
    );
    for (name, text) in [
        ("Page 1", "own"),
        ("Page 2", "long"),
        ("Page 3", "long too"),
    ] {
        let page = store.page(&PageName::new(name).unwrap()).unwrap();
        assert_eq!(page.unwrap().newest.text, text, "{name}");
    }
}

#[test]
fn a_wiki_of_tomorrow_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wiki.db");
    old_wiki(&file, &[]);
    let db = Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 3).unwrap();
    let error = Store::open(&file, &[]).unwrap_err().to_string();
    assert!(error.contains("this program knows 2"), "{error}");
}
