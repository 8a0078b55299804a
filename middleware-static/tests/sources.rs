//! Several roots, sources of one's own, and files sent by a front end.

mod common;

use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use common::{Site, ask, get, get_with};
use http::Method;
use middleware_static::source::{Directory, Entry, File, Node, ReadAt, Source, Wait};
use middleware_static::{EntityTag, SendFile, StaticFiles};

#[tokio::test]
async fn of_several_roots_the_first_wins() {
    let theme = Site::with(&[
        ("a.css", "theme"),
        ("both/x", "theme"),
        ("file-here", "theme"),
    ]);
    let base = Site::with(&[
        ("a.css", "base"),
        ("b.css", "base"),
        ("both/y", "base"),
        ("both/x", "base"),
        ("file-here/z", "base"),
    ]);
    for cached in [true, false] {
        let mut files = StaticFiles::new(theme.root())
            .overlay(base.root())
            .listing();
        if !cached {
            files = files.no_cache();
        }
        for (path, content) in [
            ("/a.css", "theme"),
            ("/b.css", "base"),
            ("/both/x", "theme"),
            ("/both/y", "base"),
            ("/file-here", "theme"),
            ("/file-here/z", "base"),
        ] {
            assert_eq!(get(&files, path).await.text(), content, "{path}");
        }
        assert_eq!(get(&files, "/missing").await.status, 404);
        assert_eq!(get(&files, "/both").await.status, 301);
        let listing = get_with(&files, "/both/", &[("accept", "application/json")])
            .await
            .text();
        assert_eq!(
            (
                listing.matches("\"x\"").count(),
                listing.matches("\"y\"").count()
            ),
            (1, 1),
            "{listing}"
        );
    }
}

#[tokio::test]
async fn what_stands_for_a_name_comes_from_the_root_that_has_the_name() {
    let top = Site::with(&[
        ("app.js", "top"),
        ("only-sibling.js.br", "top, brotli"),
        ("index/index.htm", "top"),
        ("empty/x", "top"),
        ("page.html", "top"),
        ("both.html", "top"),
        ("directory/index.html", "top"),
        ("name/index.html", "top"),
    ]);
    let base = Site::with(&[
        ("app.js", "base"),
        ("app.js.br", "base, brotli"),
        ("only-sibling.js", "base"),
        ("index/index.html", "base"),
        ("empty/index.html", "base"),
        ("page", "base"),
        ("both/index.html", "base"),
        ("directory.html", "base"),
        ("name", "base"),
    ]);
    for cached in [true, false] {
        let mut files = StaticFiles::new(top.root())
            .overlay(base.root())
            .precompressed()
            .index_files(["index.html", "index.htm"])
            .clean_urls();
        if !cached {
            files = files.no_cache();
        }
        for (path, status, content) in [
            ("/app.js", 200, "top"),
            ("/only-sibling.js", 200, "base"),
            ("/index/", 200, "top"),
            ("/empty/", 200, "base"),
            ("/page", 200, "top"),
            ("/both", 200, "top"),
            // A directory of the first root, not a page or a file of the second.
            ("/directory", 301, "301 Moved Permanently\n"),
            ("/directory/", 200, "top"),
            ("/name", 301, "301 Moved Permanently\n"),
        ] {
            for accept in ["", "br"] {
                let answer = get_with(&files, path, &[("accept-encoding", accept)]).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.text().as_str()),
                    (status, content),
                    "{path} {accept}"
                );
            }
        }
    }
}

/// Files that a program made up: small ones in memory, large ones read piece by piece by a reader that blocks.
struct Mine;

struct Pattern {
    length: u64,
    waits: bool,
    breaks_at: Option<u64>,
}

impl ReadAt for Pattern {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        if self.waits && wait == Wait::Never {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.breaks_at.is_some_and(|end| offset >= end) {
            return Ok(0);
        }
        // Never all that is asked for: a short read is not the end.
        let most = buffer
            .len()
            .min(10_000)
            .min(usize::try_from(self.length - offset).unwrap());
        for (index, byte) in buffer.iter_mut().take(most).enumerate() {
            *byte = (offset + index as u64) as u8;
        }
        Ok(most)
    }
}

impl Source for Mine {
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        let pattern = |length, waits, breaks_at| {
            Node::File(File::from_reader(
                length,
                Pattern {
                    length,
                    waits,
                    breaks_at,
                },
            ))
        };
        Ok(match path.to_str().unwrap() {
            "memory.txt" => Node::File(File::from_bytes("0123456789")),
            "tagged.txt" => {
                let file = File::from_bytes("tagged").etag(EntityTag::strong("v7").unwrap());
                Node::File(file.modified(UNIX_EPOCH + Duration::from_secs(784_111_777)))
            }
            "small.bin" => pattern(50_000, false, None),
            "waits.bin" => pattern(50_000, true, None),
            "large.bin" => pattern(1_000_000, true, None),
            "broken.bin" => pattern(1_000_000, false, Some(100_000)),
            "late.txt" if wait == Wait::Never => return Err(io::ErrorKind::WouldBlock.into()),
            "late.txt" => Node::File(File::from_bytes("late")),
            "forbidden" => return Err(io::ErrorKind::PermissionDenied.into()),
            "wrong" => return Err(io::Error::other("out of order")),
            "" | "d" => Node::Directory,
            _ => return Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        Ok(vec![
            Entry::file("memory.txt".into(), 10, None),
            Entry::directory("d".into(), None),
        ])
    }
}

#[tokio::test]
async fn a_source_of_ones_own_has_every_feature() {
    let files = StaticFiles::from_source(Mine).listing();
    for _ in 0..2 {
        assert_eq!(get(&files, "/memory.txt").await.text(), "0123456789");
        let part = get_with(&files, "/memory.txt", &[("range", "bytes=-2")]).await;
        assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "89"));
        let known = get(&files, "/memory.txt").await;
        assert!(
            known.field("etag").starts_with('"') && !known.has("last-modified"),
            "a tag from the content"
        );
        assert_eq!(
            get_with(
                &files,
                "/memory.txt",
                &[("if-none-match", known.field("etag"))]
            )
            .await
            .status,
            304
        );
        let tagged = get(&files, "/tagged.txt").await;
        assert_eq!(
            (tagged.field("etag"), tagged.field("last-modified")),
            ("\"v7\"", "Sun, 06 Nov 1994 08:49:37 GMT")
        );
        assert_eq!(get(&files, "/late.txt").await.text(), "late");
        for (path, length) in [
            ("/small.bin", 50_000),
            ("/waits.bin", 50_000),
            ("/large.bin", 1_000_000),
        ] {
            let answer = get(&files, path).await;
            assert_eq!(answer.body.len(), length, "{path}");
            assert!(
                answer
                    .body
                    .iter()
                    .enumerate()
                    .all(|(index, &byte)| byte == index as u8),
                "{path}"
            );
            let part = get_with(&files, path, &[("range", "bytes=30000-30009,49990-49999")]).await;
            assert_eq!(part.status, 206, "{path}");
        }
        assert_eq!(get(&files, "/forbidden").await.status, 403);
        assert_eq!(get(&files, "/wrong").await.status, 500);
        assert_eq!(get(&files, "/d").await.field("location"), "./d/");
        assert!(get(&files, "/").await.text().contains("./memory.txt"));
    }
}

#[tokio::test]
async fn a_reader_that_ends_early_breaks_the_body() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let request = http::Request::get("/broken.bin").body(()).unwrap();
    let response = StaticFiles::from_source(Mine)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.headers()["content-length"], "1000000");
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn without_a_runtime_the_work_is_done_where_it_is_asked_for() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let site = Site::with(&[("a.txt", "here")]);
    site.write("big", &vec![b'x'; 300_000]);
    for (way, files) in site.every_way() {
        for (path, length) in [("/a.txt", 4), ("/big", 300_000)] {
            let request = http::Request::get(path).body(()).unwrap();
            let answer = futures_util::FutureExt::now_or_never(async {
                files
                    .clone()
                    .oneshot(request)
                    .await
                    .unwrap()
                    .into_body()
                    .collect()
                    .await
                    .unwrap()
                    .to_bytes()
            });
            assert_eq!(answer.expect("never waits").len(), length, "{way} {path}");
        }
    }
}

#[tokio::test]
async fn a_front_end_may_send_the_file() {
    let site = Site::with(&[("d/a b.txt", "content"), ("d/index.html", "index")]);
    let root = site.root().display().to_string();
    let files = StaticFiles::new(site.root()).cache_control("*", "max-age=5".parse().unwrap());
    let accel = files.clone().send_file(SendFile::XAccelRedirect {
        prefix: "/int\u{e9}rnal/".parse().unwrap(),
    });
    let sendfile = files.send_file(SendFile::XSendfile);
    for (files, field, value) in [
        (
            &accel,
            "x-accel-redirect",
            "/int%C3%A9rnal/d/a%20b.txt".to_owned(),
        ),
        (&sendfile, "x-sendfile", format!("{root}/d/a%20b.txt")),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(
                files,
                method,
                "/d/a%20b.txt",
                &[("range", "bytes=0-1"), ("if-none-match", "*")],
            )
            .await;
            assert_eq!(
                (
                    answer.status.as_u16(),
                    answer.field(field),
                    answer.body.len()
                ),
                (200, &*value, 0)
            );
            assert_eq!(
                (answer.field("content-type"), answer.field("cache-control")),
                ("text/plain; charset=utf-8", "max-age=5")
            );
            for theirs in ["etag", "last-modified", "content-length", "accept-ranges"] {
                assert!(!answer.has(theirs), "{theirs} is the front end's to say");
            }
        }
        assert_eq!(
            get(files, "/d/").await.field(field),
            value.replace("a%20b.txt", "index.html")
        );
        assert_eq!(get(files, "/missing").await.status, 404);
        assert_eq!(get(files, "/../x").await.status, 404);
    }
    let memory = StaticFiles::from_source(Mine).send_file(SendFile::XSendfile);
    assert_eq!(
        get(&memory, "/memory.txt").await.text(),
        "0123456789",
        "what is in no file system is sent from here"
    );
    let overlaid = StaticFiles::from_source(Directory::new("/nowhere"))
        .overlay(site.root())
        .send_file(SendFile::XSendfile);
    assert_eq!(
        get(&overlaid, "/d/a%20b.txt").await.field("x-sendfile"),
        format!("{root}/d/a%20b.txt")
    );
}
