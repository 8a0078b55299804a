//! How often one small GET allocates: stated here, so that it stays so.

mod common;

use allocation_counter::measure;
use common::{Site, settle};
use futures_util::FutureExt;
use http::{Request, header};
use middleware_static::StaticFiles;
use tower::Service;

/// The most allocations of one answer, after a few that filled the cache and the pools.
fn allocations(files: &StaticFiles, field: Option<(&str, &str)>) -> u64 {
    let mut files = files.clone();
    let mut once = || {
        let mut request = Request::get("/a.txt");
        if let Some((name, value)) = field {
            request = request.header(name, value);
        }
        let request = request.body(()).unwrap();
        let mut answer = None;
        let counted = measure(|| answer = files.call(request).now_or_never());
        let answer = answer.expect("at once").unwrap();
        assert!(answer.status() == 200 || answer.status() == 304);
        // The request's own memory is freed inside, and not counted as allocated.
        counted.count_total
    };
    (0..5).for_each(|_| {
        once();
    });
    (0..20).map(|_| once()).max().unwrap()
}

#[tokio::test]
async fn a_small_get_allocates_little() {
    let site = Site::with(&[("a.txt", "hello")]);
    settle().await;
    let cached = StaticFiles::new(site.root());
    let uncached = StaticFiles::new(site.root()).no_cache();
    let known = common::get(&cached, "/a.txt").await;
    let tag = (header::IF_NONE_MATCH.as_str(), known.field("etag"));
    // The two tables of a `HeaderMap`; without the cache also the descriptor's `Arc`, four values, the path and the bytes.
    for (what, files, field, most) in [
        ("cached", &cached, None, 2),
        ("cached 304", &cached, Some(tag), 2),
        ("not cached", &uncached, None, 10),
        ("not cached 304", &uncached, Some(tag), 10),
    ] {
        let count = allocations(files, field);
        assert!(count <= most, "{what}: {count}");
    }
}
