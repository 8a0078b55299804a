//! Nothing outside the root is ever opened, whatever the request target: over real sockets, byte for byte.
#![cfg(unix)]

mod common;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Site, get};
use middleware_static::StaticFiles;
use middleware_static::source::{Directory, Io, Symlinks};
use serde::Deserialize;

#[derive(Deserialize)]
struct Corpus {
    targets: Vec<String>,
}

/// `site` is the root; beside it lies the secret.
fn site() -> Site {
    let site = Site::with(&[
        ("secret", "SECRET"),
        ("site/a.txt", "public"),
        ("site/a/b.txt", "public"),
        ("outside/secret", "SECRET"),
    ]);
    for name in ["site/.hidden", "site/a/.hidden", "site/.git/config"] {
        site.write(name, b"SECRET");
    }
    let link = |target: &str, name: &str| symlink(target, site.path("site").join(name)).unwrap();
    link("../secret", "out");
    link("../outside", "out-directory");
    link("/etc/passwd", "out-absolute");
    link("..", "up");
    link("../..", "a/up-twice");
    link("chain2", "chain");
    link("../outside/../outside", "chain2");
    link("loop", "loop");
    link("/proc/self", "proc-self");
    link("/proc/self/root", "self-root");
    link("nowhere", "dangling");
    site
}

fn every_way(site: &Site) -> Vec<(&'static str, StaticFiles)> {
    let root = site.path("site");
    let directory = || Directory::new(&root);
    vec![
        ("fastest", StaticFiles::new(&root)),
        ("fastest, no cache", StaticFiles::new(&root).no_cache()),
        (
            "fastest, no links",
            StaticFiles::from_source(directory().symlinks(Symlinks::Refuse)),
        ),
        (
            "portable",
            StaticFiles::from_source(directory().io(Io::Portable)),
        ),
        (
            "portable, no links",
            StaticFiles::from_source(directory().io(Io::Portable).symlinks(Symlinks::Refuse)),
        ),
        (
            "everything on",
            StaticFiles::new(&root)
                .listing()
                .clean_urls()
                .precompressed()
                .spa("a.txt"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_target_leads_outside_the_root() {
    let corpus: Corpus = toml::from_str(include_str!("cases/traversal.toml")).unwrap();
    assert!(corpus.targets.len() >= 100, "{}", corpus.targets.len());
    let site = site();
    for (way, files) in every_way(&site) {
        let address = wire::serve_files(&files).await;
        for target in &corpus.targets {
            let answer = wire::exchange(address, target.as_bytes());
            let status = wire::status(&answer);
            let text = String::from_utf8_lossy(&answer);
            assert!(
                !text.contains("SECRET") && !text.contains("root:"),
                "{way} {target}: {text}"
            );
            assert!(
                matches!(status, 200 | 301 | 308 | 400 | 403 | 404),
                "{way} {target}: {status}"
            );
            if status == 200 {
                let listing = way == "everything on";
                assert!(
                    text.ends_with("public") || listing,
                    "{way} {target}: {text}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_breaks_the_server() {
    let site = site();
    let address = wire::serve_files(&StaticFiles::new(site.path("site"))).await;
    for byte in 0..=255_u8 {
        for target in [
            &[b'/', byte][..],
            &[b'/', byte, b'.', b'.', b'/', b's'],
            format!("/%{byte:02x}").as_bytes(),
            format!("/..%{byte:02x}secret").as_bytes(),
        ] {
            let answer = wire::exchange(address, target);
            assert!(
                !String::from_utf8_lossy(&answer).contains("SECRET"),
                "{target:?}"
            );
        }
    }
    assert_eq!(
        wire::status(&wire::exchange(address, b"/a.txt")),
        200,
        "and it still answers"
    );
}

#[tokio::test]
async fn links_that_stay_inside_are_followed() {
    let site = Site::with(&[("site/a/b.txt", "public")]);
    let link = |target: &str, name: &str| symlink(target, site.path("site").join(name)).unwrap();
    let root = site.path("site");
    link("a/b.txt", "relative");
    link("../a/b.txt", "a/dotted");
    link("a", "directory");
    link(root.join("a/b.txt").to_str().unwrap(), "absolute");
    link(root.to_str().unwrap(), "root");
    link("root/absolute", "chain");
    link(root.join("a/../a").to_str().unwrap(), "dots");
    link("site", "../mount");
    // Out of the root and in again, and in by another name of the root.
    link("../site/a/b.txt", "reenters");
    link("../../site/a", "a/reenters");
    link(site.path("mount/a/b.txt").to_str().unwrap(), "alias");
    link("../mount/a", "relative-alias");
    for io in [Io::Fastest, Io::Portable] {
        // The root itself may be a link, and a link inside may name either.
        for root in [site.path("site"), site.path("mount")] {
            let files = StaticFiles::from_source(Directory::new(root).io(io));
            for path in [
                "/relative",
                "/a/dotted",
                "/directory/b.txt",
                "/absolute",
                "/root/a/b.txt",
                "/chain",
                "/dots/b.txt",
                "/root/root/relative",
                "/reenters",
                "/a/reenters/b.txt",
                "/alias",
                "/relative-alias/b.txt",
            ] {
                assert_eq!(get(&files, path).await.text(), "public", "{io:?} {path}");
            }
            assert_eq!(get(&files, "/directory").await.status, 301, "{io:?}");
        }
        let files = StaticFiles::from_source(
            Directory::new(site.path("site"))
                .io(io)
                .symlinks(Symlinks::Refuse),
        );
        for path in [
            "/relative",
            "/directory/b.txt",
            "/absolute",
            "/root/a/b.txt",
            "/directory/",
        ] {
            assert_eq!(get(&files, path).await.status, 404, "{io:?} {path}");
        }
        assert_eq!(get(&files, "/a/b.txt").await.text(), "public", "{io:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapping_directories_for_links_gains_nothing() {
    let site = Site::with(&[
        ("site/d/x", "public"),
        ("site/e/d/x", "public"),
        ("outside/x", "SECRET"),
        ("outside/d/x", "SECRET"),
    ]);
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (root, outside, stop) = (site.path("site"), site.path("outside"), Arc::clone(&stop));
        std::thread::spawn(move || {
            // `d` is by turns a directory, a relative and an absolute link outside, and `e` moves under the walk.
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let target = if swaps.is_multiple_of(2) {
                    "../outside".into()
                } else {
                    outside.clone()
                };
                fs::rename(root.join("d"), root.join("away")).unwrap();
                symlink(&target, root.join("d")).unwrap();
                std::thread::yield_now();
                fs::remove_file(root.join("d")).unwrap();
                fs::rename(root.join("away"), root.join("d")).unwrap();
                fs::rename(root.join("e"), root.join("f")).unwrap();
                symlink("../outside", root.join("e")).unwrap();
                std::thread::yield_now();
                fs::remove_file(root.join("e")).unwrap();
                fs::rename(root.join("f"), root.join("e")).unwrap();
                swaps += 1;
            }
            swaps
        })
    };
    let start = Instant::now();
    let (mut served, mut refused) = (0_u32, 0_u32);
    let ways = every_way(&site);
    // Until a race was run; a limit against hanging.
    let raced = |served, refused| served > 50 && refused > 50;
    while !raced(served, refused) || start.elapsed() < Duration::from_secs(3) {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{served} served, {refused} refused"
        );
        for (way, files) in &ways {
            for path in ["/d/x", "/e/d/x", "/d/../d/x"] {
                let answer = get(files, path).await;
                assert!(!answer.text().contains("SECRET"), "{way} {path}");
                match answer.status.as_u16() {
                    200 => served += 1,
                    404 => refused += 1,
                    other => panic!("{way} {path}: {other}"),
                }
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = swapper.join().unwrap();
    assert!(swaps > 0, "a race was run");
}
