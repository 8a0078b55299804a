//! Directory listings: every name is there, is reachable by its link, and can do no harm.
#![cfg(unix)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use common::{Site, get, get_with};
use middleware_static::StaticFiles;
use serde_json::Value;

/// Names that a page, a URL or a shell could trip over.
const NAMES: &[&[u8]] = &[
    b"plain.txt",
    b"with space",
    b" lead",
    b"trail ",
    b"#hash",
    b"que?ry",
    b"per%cent",
    b"%41",
    b"%2e%2e",
    b"colon:name",
    b"javascript:alert(1)",
    b"amp&ersand",
    b"<script>alert(1)<",
    b"\"double\"",
    b"'single'",
    b"new\nline",
    b"tab\tand\rreturn",
    b"back\\slash",
    b"..\\..\\x",
    b"...",
    b"..a",
    b"~",
    b"+plus+",
    b"semi;colon",
    b"a=b&c=d",
    b"*",
    b"-dash",
    b"$(x)",
    b"`x`",
    b"{braces}",
    b"[brackets]",
    b"@at",
    b"caf\xc3\xa9",
    b"latin\xe9",
    b"\xff\xfe",
    b"\xe2\x80\xae.txt",
    b"\x01\x02\x7f",
    b"\xc2\x85",
    b"index.htm",
    b"http:",
    b"//".split_at(1).0,
];

fn site() -> Site {
    let site = Site::with(&[
        (".hidden", "x"),
        ("sub/inner.txt", "inner"),
        ("index/index.html", "the index"),
    ]);
    for name in NAMES.iter().filter(|name| !matches!(**name, b"/" | b"...")) {
        site.write(OsStr::from_bytes(name), name);
    }
    fs::create_dir(site.root().join(OsStr::from_bytes(b"d#r <x>"))).unwrap();
    fs::write(site.root().join(OsStr::from_bytes(b"d#r <x>/f?")), "deep").unwrap();
    site
}

async fn json(files: &StaticFiles, path: &str) -> Value {
    let answer = get_with(files, path, &[("accept", "application/json")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.field("content-type")),
        (200, "application/json"),
        "{path}"
    );
    assert_eq!(answer.field("vary"), "accept");
    serde_json::from_slice(&answer.body).unwrap()
}

/// What a link leads to from a page, as far as these tests go: `./name` below the page's directory.
fn follow(base: &str, href: &str) -> String {
    format!(
        "{base}{}",
        href.strip_prefix("./").expect("a relative reference")
    )
}

#[tokio::test]
async fn every_name_is_listed_and_its_link_leads_to_it() {
    let site = site();
    for (way, files) in site.every_way() {
        let files = files.listing();
        let listing = json(&files, "/").await;
        let entries = listing["entries"].as_array().unwrap();
        let mut found = Vec::new();
        for entry in entries {
            let path = follow("/", entry["href"].as_str().unwrap());
            if entry["type"] == "directory" {
                assert!(path.ends_with('/'), "{way} {path}");
                assert!(
                    matches!(get(&files, &path).await.status.as_u16(), 200),
                    "{way} {path}"
                );
                continue;
            }
            let answer = get(&files, &path).await;
            assert_eq!(answer.status, 200, "{way} {path}");
            assert_eq!(entry["size"], answer.body.len(), "{way} {path}");
            assert!(
                entry["modified"].as_str().unwrap().ends_with('Z'),
                "{way} {path}"
            );
            found.push(answer.body.to_vec());
        }
        let mut expected: Vec<Vec<u8>> = NAMES
            .iter()
            .filter(|name| !matches!(**name, b"/" | b"..."))
            .map(|name| name.to_vec())
            .collect();
        found.sort();
        expected.sort();
        // `..a` begins with a dot: hidden.
        expected.retain(|name| !name.starts_with(b"."));
        assert_eq!(found, expected, "{way}");
        let deep = json(&files, &follow("/", "./d%23r%20%3Cx%3E/")).await;
        assert_eq!(deep["entries"][0]["href"], "./f%3F", "{way}");
        assert_eq!(deep["path"], "/d#r <x>/", "{way}");
    }
}

#[tokio::test]
async fn the_page_says_the_same_and_escapes_it() {
    let site = site();
    for (way, files) in site.every_way() {
        let files = files.listing();
        let page = get(&files, "/").await;
        assert_eq!(
            page.field("content-type"),
            "text/html; charset=utf-8",
            "{way}"
        );
        assert!(
            page.field("content-security-policy")
                .starts_with("default-src 'none'"),
            "{way}"
        );
        assert_eq!(
            (page.field("vary"), page.field("cache-control")),
            ("accept", "no-cache"),
            "{way}"
        );
        let text = page.text();
        for entry in json(&files, "/").await["entries"].as_array().unwrap() {
            assert!(
                text.contains(&format!("href=\"{}\"", entry["href"].as_str().unwrap())),
                "{way} {entry}"
            );
        }
        assert!(
            text.contains("&lt;script&gt;alert(1)&lt;") && !text.contains("<script"),
            "{way}"
        );
        assert!(
            !text.contains(".hidden") && !text.contains("href=\"javascript"),
            "{way}"
        );
        // Only printable characters and line ends of ours.
        assert!(
            !text
                .chars()
                .any(|character| character.is_control() && character != '\n'),
            "{way}"
        );
        assert!(!text.contains("new\nline"), "{way}");
        let deep = get(&files, "/sub/").await.text();
        assert!(
            deep.contains("href=\"../\"") && deep.contains("href=\"./inner.txt\""),
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_listing_is_asked_for_or_not_there() {
    let site = site();
    for (way, files) in site.every_way() {
        assert_eq!(
            get(&files, "/sub/").await.status,
            404,
            "{way}: off unless asked for"
        );
        let files = files.listing();
        assert_eq!(
            get(&files, "/sub").await.field("location"),
            "./sub/",
            "{way}"
        );
        assert_eq!(
            get(&files, "/index/").await.text(),
            "the index",
            "{way}: an index comes first"
        );
        assert_eq!(get(&files, "/missing/").await.status, 404, "{way}");
        assert_eq!(get(&files, "/plain.txt/").await.status, 404, "{way}");
        assert_eq!(get(&files, "/.hidden/").await.status, 404, "{way}");
        let head = common::head(&files, "/").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{way}");
        assert!(
            get(&files, "/?q=PLAIN&sort=-size")
                .await
                .text()
                .contains("value=\"PLAIN\""),
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_huge_directory_is_pages_of_bounded_size() {
    let site = Site::with(&[]);
    for number in 0..20_050 {
        fs::write(site.path(&format!("file-{number:05}")), "").unwrap();
    }
    let files = StaticFiles::new(site.root()).listing();
    for (query, count, lengths) in [
        ("", 20_050, &[10_000, 10_000, 50][..]),
        ("?q=FILE-1&sort=-name", 10_000, &[10_000]),
        ("?q=-1004", 10, &[10]),
    ] {
        let mut next = Some(format!("./{query}"));
        let mut pages = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(url) = next.take() {
            let listing = json(&files, url.trim_start_matches('.')).await;
            assert_eq!(listing["count"], count, "{url}");
            let entries = listing["entries"].as_array().unwrap();
            pages.push(entries.len());
            names.extend(entries.iter().map(|entry| entry["name"].to_string()));
            next = listing["next"].as_str().map(str::to_owned);
        }
        assert_eq!(pages, lengths, "{query}");
        assert_eq!(names.len(), count, "{query}: each one once");
    }
    for (path, part) in [
        (
            "/",
            "Page 1 of 3, <a rel=\"next\" href=\"?page=2\">Next</a>.",
        ),
        (
            "/?page=2",
            "Page 2 of 3, <a rel=\"prev\" href=\"./\">Previous</a>, <a rel=\"next\" href=\"?page=3\">Next</a>.",
        ),
        (
            "/?page=3",
            "Page 3 of 3, <a rel=\"prev\" href=\"?page=2\">Previous</a>.",
        ),
        ("/?page=99", "Page 3 of 3"),
        ("/?page=0", "Page 1 of 3"),
        ("/?page=-1", "Page 1 of 3"),
        ("/?sort=-size&q=f%26&page=1", "No name contains this."),
    ] {
        let text = get(&files, path).await.text();
        assert!(
            text.contains(part),
            "{path}: {}",
            text.split("<footer>").nth(1).unwrap()
        );
    }
    assert!(!get(&files, "/?q=-1004").await.text().contains("Page 1"));
}
