//! What a tag or a date may prove: RFC 9110 8.8.1, 8.8.2.2, 13.1.

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Site, get, get_with, head, settle};
use middleware_static::{StaticFiles, ValidateBy};

fn date(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// Dates that package managers, archives and image builders write, one that a copy keeps, and one to come.
fn dates_set_by_hand() -> Vec<(&'static str, SystemTime)> {
    let seconds = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    vec![
        ("containers", seconds(0)),
        ("Nix, Bazel", seconds(1)),
        ("zip", seconds(315_532_800)),
        ("npm", seconds(499_162_500)),
        ("SOURCE_DATE_EPOCH", seconds(1_700_000_000)),
        (
            "rsync -t",
            SystemTime::now() - Duration::from_secs(30 * 86_400),
        ),
        ("future", SystemTime::now() + Duration::from_secs(86_400)),
    ]
}

#[tokio::test]
async fn a_date_that_was_set_proves_nothing() {
    let dates = dates_set_by_hand();
    for in_place in [true, false] {
        let site = Site::with(&[]);
        for (name, _) in &dates {
            site.write(name, b"the old content");
        }
        for (name, time) in &dates {
            date(&site.path(name), *time);
        }
        settle().await;
        let mut known = Vec::new();
        for (way, files) in site.every_way() {
            for (name, _) in &dates {
                let path = format!("/{}", name.replace(' ', "%20"));
                let old = get(&files, &path).await;
                assert!(old.field("etag").starts_with('"'), "{way} {name}");
                let same = get_with(&files, &path, &[("if-none-match", old.field("etag"))]).await;
                assert_eq!(same.status, 304, "{way} {name}");
                let part = [("range", "bytes=0-2"), ("if-range", old.field("etag"))];
                assert_eq!(
                    get_with(&files, &path, &part).await.status,
                    206,
                    "{way} {name}"
                );
                known.push((way, *name, path, old));
            }
        }
        for (name, time) in &dates {
            if in_place {
                fs::write(site.path(name), "the new content").unwrap();
            } else {
                fs::write(site.path("temporary"), "the new content").unwrap();
                fs::rename(site.path("temporary"), site.path(name)).unwrap();
            }
            date(&site.path(name), *time);
        }
        settle().await;
        let ways = site.every_way();
        for (way, name, path, old) in known {
            let (_, files) = ways.iter().find(|(other, _)| *other == way).unwrap();
            let new = get(files, &path).await;
            assert_eq!(new.text(), "the new content", "{way} {name}");
            assert_ne!(new.field("etag"), old.field("etag"), "{way} {name}");
            if name != "future" {
                assert_eq!(new.field("last-modified"), old.field("last-modified"));
            }
            let (tag, modified) = (old.field("etag"), old.field("last-modified"));
            for fields in [
                &[("if-none-match", tag)][..],
                &[("if-modified-since", modified)],
                &[("range", "bytes=0-2"), ("if-range", tag)],
                &[("range", "bytes=0-2"), ("if-range", modified)],
                &[("range", "bytes=0-2"), ("if-unmodified-since", modified)],
            ] {
                // A file without a date has no condition by date.
                let fields: Vec<_> = fields
                    .iter()
                    .copied()
                    .filter(|(_, v)| !v.is_empty())
                    .collect();
                if fields.iter().all(|(name, _)| *name == "range") {
                    continue;
                }
                let answer = get_with(files, &path, &fields).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.text().as_str()),
                    (200, "the new content"),
                    "{way} {name} {fields:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_date_counts_where_the_file_was_written_at_that_time() {
    let site = Site::with(&[]);
    fs::write(site.path("a"), "content").unwrap();
    settle().await;
    for (way, files) in site.every_way() {
        let known = get(&files, "/a").await;
        let modified = known.field("last-modified");
        for (fields, status) in [
            (&[("if-modified-since", modified)][..], 304),
            (&[("range", "bytes=0-2"), ("if-range", modified)], 206),
            (
                &[("range", "bytes=0-2"), ("if-unmodified-since", modified)],
                206,
            ),
        ] {
            let answer = get_with(&files, "/a", fields).await;
            assert_eq!(answer.status, status, "{way} {fields:?}");
        }
    }
}

// Two files written at once and renamed one over the other had the same tag.
#[tokio::test]
async fn files_of_one_moment_and_one_size_have_tags_of_their_own() {
    let site = Site::with(&[]);
    let now = SystemTime::now();
    for name in ["one", "two"] {
        fs::write(site.path(name), name).unwrap();
        date(&site.path(name), now);
    }
    settle().await;
    for (way, files) in site.every_way() {
        let tags = [get(&files, "/one").await, get(&files, "/two").await];
        assert_ne!(tags[0].field("etag"), tags[1].field("etag"), "{way}");
    }
}

#[tokio::test]
async fn a_file_above_the_limit_has_no_strong_validator_of_its_content() {
    let site = Site::with(&[]);
    let big = File::create(site.path("big")).unwrap();
    big.set_len(40 << 20).unwrap();
    big.set_modified(UNIX_EPOCH).unwrap();
    settle().await;
    for (way, files) in site.every_way() {
        for by in [ValidateBy::Modified, ValidateBy::Content] {
            let files = files.clone().validate_by(by);
            let known = head(&files, "/big").await;
            let tag = known.field("etag");
            assert!(tag.starts_with("W/\""), "{way} {by:?} {tag}");
            let same = get_with(&files, "/big", &[("if-none-match", tag)]).await;
            assert_eq!(same.status, 304, "{way} {by:?}");
            let part = [("range", "bytes=0-1")];
            assert_eq!(get_with(&files, "/big", &part).await.body.len(), 2);
            let all = head(&files.content_limit(64 << 20), "/big").await;
            assert!(all.field("etag").starts_with('"'), "{way} {by:?}");
        }
    }
    // A weak tag is another one once the file is.
    let weak = head(&StaticFiles::new(site.root()), "/big").await;
    fs::copy(site.path("big"), site.path("temporary")).unwrap();
    fs::rename(site.path("temporary"), site.path("big")).unwrap();
    date(&site.path("big"), UNIX_EPOCH);
    let other = head(&StaticFiles::new(site.root()), "/big").await;
    assert_ne!(weak.field("etag"), other.field("etag"));
}
