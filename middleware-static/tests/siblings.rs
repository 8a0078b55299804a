//! Compressed siblings: which of them are of the file as it is now.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::{Answer, Site, age, get_with, gzip};
use middleware_static::StaticFiles;

const HOUR: Duration = Duration::from_secs(3600);

async fn get(files: &StaticFiles) -> Answer {
    get_with(files, "/app.js", &[("accept-encoding", "gzip")]).await
}

/// Every way to serve a file and its sibling, both an hour old.
fn sites(file: &[u8], sibling: &[u8]) -> (Site, Vec<(&'static str, StaticFiles)>) {
    let site = Site::with(&[]);
    site.write("app.js", file);
    site.write("app.js.gz", sibling);
    let ways = site.every_way();
    let ways = ways
        .into_iter()
        .map(|(way, files)| (way, files.precompressed()));
    (site, ways.collect())
}

#[tokio::test]
async fn a_sibling_that_nothing_speaks_against_is_taken_at_its_word() {
    let (_site, ways) = sites(b"file", b"not even gzip");
    for (way, files) in ways {
        assert_eq!(get(&files).await.text(), "not even gzip", "{way}");
    }
}

// `rsync -t` and tar bring the new file with its date, which may be older than the sibling that was left behind.
#[tokio::test]
async fn a_sibling_left_behind_is_not_sent_though_its_date_is_newer() {
    let (site, ways) = sites(b"old content", &gzip(b"old content"));
    for (way, files) in &ways {
        assert_eq!(get(files).await.field("content-encoding"), "gzip", "{way}");
    }
    for date in [Duration::ZERO, HOUR / 2, 2 * HOUR] {
        for rename in [false, true] {
            let new = site.path(if rename { "temporary" } else { "app.js" });
            fs::write(&new, "new content").unwrap();
            age(&new, date);
            fs::rename(&new, site.path("app.js")).unwrap();
            for (way, files) in site.every_way() {
                let answer = get(&files.precompressed()).await;
                assert_eq!(
                    (answer.text().as_str(), answer.field("content-encoding")),
                    ("new content", ""),
                    "{way} {date:?} {rename}"
                );
                assert_eq!(answer.field("vary"), "accept-encoding", "{way}");
            }
        }
    }
}

#[tokio::test]
async fn a_change_time_alone_refuses_no_sibling() {
    let (site, ways) = sites(b"content", &gzip(b"content"));
    fs::set_permissions(site.path("app.js"), Permissions::from_mode(0o600)).unwrap();
    for (way, files) in ways {
        let answer = get(&files).await;
        assert_eq!(answer.field("content-encoding"), "gzip", "{way}");
    }
}

#[tokio::test]
async fn a_copy_with_an_older_date_is_a_copy() {
    let (site, ways) = sites(b"content", &gzip(b"content"));
    age(&site.path("app.js.gz"), 2 * HOUR);
    for (way, files) in ways {
        let answer = get(&files).await;
        assert_eq!(answer.field("content-encoding"), "gzip", "{way}");
    }
}

#[tokio::test]
async fn where_the_content_may_not_be_read_the_date_decides() {
    let (site, ways) = sites(b"content", &gzip(b"content"));
    let limited = |files: &StaticFiles| files.clone().content_limit(3);
    fs::set_permissions(site.path("app.js"), Permissions::from_mode(0o600)).unwrap();
    for (way, files) in &ways {
        let answer = get(&limited(files)).await;
        assert_eq!(answer.field("content-encoding"), "gzip", "{way}");
    }
    age(&site.path("app.js.gz"), 2 * HOUR);
    for (way, files) in &ways {
        let answer = get(&limited(files)).await;
        assert_eq!(answer.field("content-encoding"), "", "{way}");
    }
}
