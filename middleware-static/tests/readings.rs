//! What it costs to learn a file's content: bytes that this process reads, counted by the kernel. Alone in its process, one after
//! the other, so that no other test's bytes are among them.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use common::{Site, settle};
use futures_util::FutureExt;
use futures_util::future::join_all;
use http::{Method, Request};
use http_body_util::Empty;
use middleware_static::{StaticFiles, ValidateBy};
use tower::ServiceExt;

const LENGTH: u64 = 8 << 20;

/// Bytes that read calls of this process brought so far.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

/// Large files with a date that says nothing.
fn site(names: &[String], length: u64) -> Site {
    let site = Site::with(&[("small.txt", "small")]);
    for name in names {
        let file = File::create(site.path(name)).unwrap();
        file.set_len(length).unwrap();
        file.set_modified(UNIX_EPOCH).unwrap();
    }
    site
}

fn head(files: &StaticFiles, path: &str) -> impl Future<Output = http::HeaderMap> + use<> {
    let request = Request::builder().method(Method::HEAD).uri(path);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = files.clone().oneshot(request);
    async move { answer.await.unwrap().headers().clone() }
}

/// Few threads that may block: a request that held one while a file is read would stop the others.
fn run<F: Future>(test: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .worker_threads(2)
        .max_blocking_threads(3)
        .enable_all();
    runtime.build().unwrap().block_on(test)
}

#[test]
fn a_file_is_read_once_however_many_ask_and_not_at_all_when_none_does() {
    run(async {
        for by in [ValidateBy::Modified, ValidateBy::Content] {
            all_who_ask_share_one_reading(by).await;
        }
        those_who_go_away_leave_no_reading_behind().await;
        a_file_above_the_limit_is_not_read().await;
    });
}

// 520 clients that asked for a file of 8 GiB, dated 1970, had it read 520 times.
async fn all_who_ask_share_one_reading(by: ValidateBy) {
    let site = site(&["big".to_owned()], LENGTH);
    settle().await;
    let files = StaticFiles::new(site.root()).validate_by(by);
    let before = bytes_read();
    let asked: Vec<_> = (0..520).map(|_| head(&files, "/big")).collect();
    let answers = join_all(asked).await;
    assert!(
        answers
            .iter()
            .all(|head| head["etag"] == answers[0]["etag"])
    );
    assert!(answers[0]["etag"].as_bytes().starts_with(b"\""));
    head(&files.clone().no_cache(), "/big").await;
    let read = bytes_read() - before;
    assert!(
        (LENGTH..LENGTH + LENGTH / 2).contains(&read),
        "{by:?}: {read}"
    );
}

async fn those_who_go_away_leave_no_reading_behind() {
    let names: Vec<_> = (0..200).map(|number| format!("{number}")).collect();
    let site = site(&names, LENGTH);
    settle().await;
    let files = StaticFiles::new(site.root());
    // Known to the kernel, so that what follows comes to the readings at once.
    for name in &names {
        File::open(site.path(name)).unwrap();
    }
    let before = bytes_read();
    let mut asked: Vec<_> = names
        .iter()
        .map(|name| Box::pin(head(&files, &format!("/{name}"))))
        .collect();
    for one in &mut asked {
        // One look, and no more.
        assert!(one.as_mut().now_or_never().is_none());
    }
    drop(asked);
    // Whatever is still read now is in front of this.
    assert!(
        head(&files, "/0").await["etag"]
            .as_bytes()
            .starts_with(b"\"")
    );
    let small = head(&files, "/small.txt").await;
    assert_eq!(small["content-length"], "5");
    let read = bytes_read() - before;
    assert!(read < 20 * LENGTH, "{read} of {}", 200 * LENGTH);
}

async fn a_file_above_the_limit_is_not_read() {
    let site = site(&["huge".to_owned()], 8 << 30);
    settle().await;
    for by in [ValidateBy::Modified, ValidateBy::Content] {
        let files = StaticFiles::new(site.root()).validate_by(by);
        let before = bytes_read();
        let answer = head(&files, "/huge").await;
        assert_eq!(answer["content-length"], "8589934592");
        let read = bytes_read() - before;
        assert!(read < 1 << 20, "{by:?}: {read}");
    }
}
