//! What file systems do to servers: things that are no files, files that change while they are sent, no descriptors left.
#![cfg(unix)]

mod common;
#[path = "common/wire.rs"]
mod wire;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Site, age, get, get_with, settle};
use http::Request;
use http_body_util::BodyExt;
use middleware_static::{StaticFiles, ValidateBy};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tower::ServiceExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_not_found_at_once() {
    let site = Site::with(&[("a.txt", "a")]);
    mknodat(CWD, site.path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    // The null device, where the tests may make one.
    let device = mknodat(
        CWD,
        site.path("device"),
        FileType::CharacterDevice,
        Mode::RWXU,
        rustix::fs::makedev(1, 3),
    )
    .is_ok();
    fs::create_dir(site.path("d")).unwrap();
    mknodat(
        CWD,
        site.path("d/index.html"),
        FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .unwrap();
    for (way, files) in site.every_way() {
        let address = wire::serve_files(&files.listing()).await;
        for path in ["/fifo", "/socket", "/device", "/fifo/", "/fifo/x"] {
            let answer = wire::exchange(address, path.as_bytes());
            assert_eq!(wire::status(&answer), 404, "{way} {path}");
        }
        let listing = wire::exchange(address, b"/");
        for name in ["fifo", "socket", "device"] {
            assert!(
                !String::from_utf8_lossy(&listing).contains(&format!("./{name}")),
                "{way}: {name} cannot be had"
            );
        }
        assert_eq!(
            wire::status(&wire::exchange(address, b"/d/")),
            200,
            "{way}: no index, but a listing"
        );
        assert_eq!(
            wire::status(&wire::exchange(address, b"/a.txt")),
            200,
            "{way}: and it goes on"
        );
    }
    let _ = device;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_truncated_while_it_is_sent_cuts_the_connection() {
    let size = 32 << 20;
    for way in 0..4 {
        let site = Site::with(&[]);
        site.write("big", &vec![b'x'; size]);
        let (name, files) = site.every_way().swap_remove(way);
        let address = wire::serve_files(&files).await;
        let mut client = wire::connect(address);
        client
            .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut begin = [0; 1000];
        client.read_exact(&mut begin).unwrap();
        assert!(
            String::from_utf8_lossy(&begin).contains("content-length: 33554432"),
            "{name}"
        );
        File::options()
            .write(true)
            .open(site.path("big"))
            .unwrap()
            .set_len(1 << 20)
            .unwrap();
        let mut rest = Vec::new();
        // Closed, or reset: either way the client knows.
        let _ = client.read_to_end(&mut rest);
        assert!(
            rest.len() < size,
            "{name}: the promise is broken and seen to be"
        );
        assert!(!rest.contains(&0), "{name}: nothing is made up");
    }
}

#[tokio::test]
async fn many_slow_clients_of_a_large_file_hold_little_of_it_and_get_all_of_it() {
    let site = Site::with(&[]);
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    site.write("big", &bytes);
    for (way, files) in site.every_way() {
        let mut clients = Vec::new();
        for _ in 0..200 {
            let request = Request::get("/big").body(()).unwrap();
            clients.push(files.clone().oneshot(request).await.unwrap().into_body());
        }
        let mut first = Vec::new();
        for client in &mut clients {
            let frame = client.frame().await.unwrap().unwrap();
            first.push(frame.into_data().unwrap());
        }
        let held: usize = first.iter().map(bytes::Bytes::len).sum();
        assert!(held <= (8 << 20) + 200 * (64 << 10), "{way}: {held}");
        for (first, client) in first.into_iter().zip(clients) {
            let rest = client.collect().await.unwrap().to_bytes();
            assert!([&*first, &*rest].concat() == bytes, "{way}");
        }
    }
}

#[tokio::test]
async fn a_small_file_that_changes_is_answered_whole_or_not_at_all() {
    let site = Site::with(&[("a", "")]);
    let path = site.path("a");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = std::thread::spawn({
        let stop = std::sync::Arc::clone(&stop);
        move || {
            for length in (0..20_000).cycle().step_by(7) {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                fs::write(&path, vec![b'x'; length]).unwrap();
            }
        }
    });
    for (way, files) in site.every_way() {
        for _ in 0..500 {
            // Panics on a body that fails.
            let answer = get(&files, "/a").await;
            if answer.status == 200 {
                assert_eq!(
                    answer.field("content-length"),
                    answer.body.len().to_string(),
                    "{way}"
                );
                assert!(answer.body.iter().all(|&byte| byte == b'x'), "{way}");
            } else {
                assert_eq!(answer.status, 500, "{way}");
            }
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
}

/// A second later every change is noticed, by the first request: so a busy machine does not matter.
async fn a_second_later() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_changes_is_noticed_within_a_second() {
    let site = Site::with(&[]);
    let names = [
        "written",
        "renamed",
        "removed",
        "parent/file",
        "link/file",
        "deep/er/file",
        "index/index.html",
    ];
    let make = || {
        let _ = fs::remove_file(site.path("link"));
        let _ = fs::remove_dir_all(site.path("linked"));
        let _ = fs::remove_dir_all(site.path("parent.old"));
        for name in names {
            site.write(name.replace("link/", "linked/"), b"old");
        }
        site.write("other/file", b"new");
        std::os::unix::fs::symlink("linked", site.path("link")).unwrap();
    };
    for way in 0..4 {
        make();
        settle().await;
        let (name, files) = site.every_way().swap_remove(way);
        for path in names {
            for _ in 0..2 {
                assert_eq!(
                    get(&files, &format!("/{path}")).await.text(),
                    "old",
                    "{name} {path}"
                );
            }
        }
        // In place with the same size and time; by a new file; not at all any more; by another parent; by another link.
        fs::write(site.path("written"), "new").unwrap();
        age(&site.path("written"), Duration::from_secs(3600));
        fs::write(site.path("fresh"), "new").unwrap();
        fs::rename(site.path("fresh"), site.path("renamed")).unwrap();
        fs::remove_file(site.path("removed")).unwrap();
        fs::rename(site.path("parent"), site.path("parent.old")).unwrap();
        fs::rename(site.path("other"), site.path("parent")).unwrap();
        fs::create_dir_all(site.path("other")).unwrap();
        fs::write(site.path("other/file"), "new").unwrap();
        fs::remove_file(site.path("link")).unwrap();
        std::os::unix::fs::symlink("other", site.path("link")).unwrap();
        fs::remove_dir_all(site.path("deep")).unwrap();
        fs::remove_file(site.path("index/index.html")).unwrap();
        fs::create_dir(site.path("index/index.html")).unwrap();
        a_second_later().await;
        for (path, status, text) in [
            ("/written", 200, "new"),
            ("/renamed", 200, "new"),
            ("/removed", 404, "404 Not Found\n"),
            ("/parent/file", 200, "new"),
            ("/link/file", 200, "new"),
            ("/deep/er/file", 404, "404 Not Found\n"),
            ("/index/index.html", 301, "301 Moved Permanently\n"),
        ] {
            let answer = get(&files, path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (status, text),
                "{name} {path}"
            );
        }
        fs::remove_dir_all(site.path("index")).unwrap();
        fs::remove_dir_all(site.path("parent")).unwrap();
    }
}

#[tokio::test]
async fn a_root_that_is_replaced_is_noticed_within_a_second() {
    let site = Site::with(&[("releases/1/v", "one"), ("releases/2/v", "two")]);
    std::os::unix::fs::symlink("releases/1", site.path("current")).unwrap();
    settle().await;
    let files = StaticFiles::new(site.path("current"));
    assert_eq!(get(&files, "/v").await.text(), "one");
    std::os::unix::fs::symlink("releases/2", site.path("next")).unwrap();
    fs::rename(site.path("next"), site.path("current")).unwrap();
    a_second_later().await;
    assert_eq!(get(&files, "/v").await.text(), "two");
}

#[tokio::test]
async fn a_root_may_come_later() {
    let site = Site::with(&[]);
    for (way, files) in [
        ("new", StaticFiles::new(site.path("later"))),
        ("no cache", StaticFiles::new(site.path("later")).no_cache()),
    ] {
        assert_eq!(get(&files, "/a").await.status, 404, "{way}");
        site.write("later/a", b"here");
        a_second_later().await;
        assert_eq!(get(&files, "/a").await.text(), "here", "{way}");
        fs::remove_dir_all(site.path("later")).unwrap();
    }
}

#[tokio::test]
async fn a_tag_is_weak_while_the_file_is_new_and_strong_after_it() {
    let site = Site::with(&[]);
    for (way, files) in site.every_way() {
        // Until all of it was asked while the file was new, which takes a busy machine more than one try.
        loop {
            let written = Instant::now();
            fs::write(site.path("new"), "x").unwrap();
            let fresh = get(&files, "/new").await;
            let (tag, date) = (fresh.field("etag"), fresh.field("last-modified"));
            // A weak tag and a fresh date guard no range.
            let mut parts = Vec::new();
            for condition in [tag, date] {
                let fields = [("range", "bytes=0-0"), ("if-range", condition)];
                parts.push(get_with(&files, "/new", &fields).await.status.as_u16());
            }
            let same = get_with(&files, "/new", &[("if-none-match", tag)]).await;
            if written.elapsed() < Duration::from_millis(1900) {
                assert!(tag.starts_with("W/"), "{way}: {tag}");
                assert_eq!(parts, [200, 200], "{way}");
                assert_eq!(same.status, 304, "{way}");
                break;
            }
        }
    }
    settle().await;
    for (way, files) in site.every_way() {
        let tag = get(&files, "/new").await.field("etag").to_owned();
        assert!(tag.starts_with('"'), "{way}: {tag}");
    }
}

#[tokio::test]
async fn times_that_say_nothing_make_no_tag() {
    let site = Site::with(&[("zero", "a"), ("one", "b"), ("later", "c")]);
    for (name, seconds) in [("zero", 0), ("one", 1)] {
        let file = File::options().write(true).open(site.path(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }
    let file = File::options()
        .write(true)
        .open(site.path("later"))
        .unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(86_400))
        .unwrap();
    for (way, files) in site.every_way() {
        let [zero, one] = [get(&files, "/zero").await, get(&files, "/one").await];
        assert!(
            zero.field("etag").starts_with('"') && zero.field("etag") != one.field("etag"),
            "{way}: from content"
        );
        assert!(
            !zero.has("last-modified") && !one.has("last-modified"),
            "{way}"
        );
        // RFC 9110 8.8.2.1: not in the future.
        let later = get(&files, "/later").await;
        let date = httpdate(later.field("last-modified"));
        assert!(
            date <= std::time::SystemTime::now(),
            "{way}: {}",
            later.field("last-modified")
        );
    }
}

fn httpdate(text: &str) -> std::time::SystemTime {
    httpdate::parse_http_date(text).unwrap()
}

#[tokio::test]
async fn replicas_agree_where_they_are_told_to() {
    let (one, two) = (
        Site::with(&[("a.txt", "same")]),
        Site::with(&[("a.txt", "same")]),
    );
    for site in [&one, &two] {
        site.write("a.txt.gz", &common::gzip(b"same"));
    }
    age(&two.path("a.txt"), Duration::from_secs(7200));
    let time = std::time::UNIX_EPOCH + Duration::from_secs(784_111_777);
    for way in 0..4 {
        let ask = async |site: &Site, by, accept| {
            let files = site
                .every_way()
                .swap_remove(way)
                .1
                .validate_by(by)
                .precompressed();
            let answer = get_with(&files, "/a.txt", &[("accept-encoding", accept)]).await;
            (
                answer.field("etag").to_owned(),
                answer.field("last-modified").to_owned(),
            )
        };
        let modified = (
            ask(&one, ValidateBy::Modified, "").await,
            ask(&two, ValidateBy::Modified, "").await,
        );
        // Dates set by hand prove nothing, so these tags come from the content too.
        assert_eq!(modified.0.0, modified.1.0);
        for accept in ["", "gzip"] {
            let content = (
                ask(&one, ValidateBy::Content, accept).await,
                ask(&two, ValidateBy::Content, accept).await,
            );
            assert_eq!(content.0.0, content.1.0);
            let fixed = (
                ask(&one, ValidateBy::Fixed(time), accept).await,
                ask(&two, ValidateBy::Fixed(time), accept).await,
            );
            assert_eq!(fixed.0, fixed.1);
            assert_eq!(fixed.0.1, "Sun, 06 Nov 1994 08:49:37 GMT");
        }
        assert_ne!(
            ask(&one, ValidateBy::Content, "").await.0,
            ask(&one, ValidateBy::Content, "gzip").await.0
        );
        // And the tag follows the content.
        let before = ask(&one, ValidateBy::Content, "").await;
        one.write("a.txt", b"else");
        assert_ne!(ask(&one, ValidateBy::Content, "").await.0, before.0);
        one.write("a.txt", b"same");
    }
}

fn open_descriptors_below(root: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
    links
        .filter(|link| {
            fs::read_link(link.path())
                .is_ok_and(|target| target.starts_with(root) && target.is_file())
        })
        .count()
}

/// Until no file is open; a limit against hanging.
async fn closed(root: &Path) {
    let start = Instant::now();
    while open_descriptors_below(root) > 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "left open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// Deleted files took room on the disk for as long as the server had nothing to do.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_is_idle_holds_no_file_open() {
    let site = Site::with(&[("a", "a"), ("b", "b")]);
    site.write("large", &vec![b'x'; 100_000]);
    settle().await;
    let files = StaticFiles::new(site.root());
    for round in 0..2 {
        let asked = Instant::now();
        for path in ["/a", "/b", "/large"] {
            assert_eq!(get(&files, path).await.status, 200, "{round}");
        }
        // Unless this machine was busy for longer than files are kept.
        let open = open_descriptors_below(site.root());
        assert!(
            open >= 3 || asked.elapsed() > Duration::from_secs(4),
            "{round}: {open}"
        );
        closed(site.root()).await;
    }
    drop(files);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_takes_its_descriptor_along() {
    let site = Site::with(&[]);
    site.write("big", &vec![b'x'; 64 << 20]);
    let files = StaticFiles::new(site.root()).no_cache();
    let address = wire::serve_files(&files).await;
    let mut clients: Vec<_> = (0..20).map(|_| wire::connect(address)).collect();
    for client in &mut clients {
        client
            .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
    }
    assert_eq!(open_descriptors_below(site.root()), 20);
    drop(clients);
    closed(site.root()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_cache_keeps_no_more_than_it_may() {
    let site = Site::with(&[]);
    for number in 0..200 {
        site.write(format!("{number}"), &[b'x'; 1000]);
    }
    settle().await;
    let by_descriptors = StaticFiles::new(site.root()).cache_descriptors(16);
    let by_bytes = StaticFiles::new(site.root()).cache_bytes(16_000);
    let none = StaticFiles::new(site.root()).no_cache();
    for (files, most) in [(by_descriptors, 16), (by_bytes, 16), (none, 0)] {
        for _ in 0..3 {
            for number in 0..200 {
                assert_eq!(get(&files, &format!("/{number}")).await.body.len(), 1000);
            }
        }
        let open = open_descriptors_below(site.root());
        assert!(open <= most && (open > 0) == (most > 0), "{open} of {most}");
        drop(files);
        closed(site.root()).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn files_in_memory_are_files() {
    // tmpfs knows no RWF_NOWAIT: learnt at the first read, and right before and after it.
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let big: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
    fs::write(directory.path().join("small"), "small").unwrap();
    fs::write(directory.path().join("big"), &big).unwrap();
    for _ in 0..2 {
        let files = StaticFiles::new(directory.path()).no_cache();
        assert_eq!(get(&files, "/small").await.text(), "small");
        assert_eq!(get(&files, "/big").await.body, big);
    }
}
