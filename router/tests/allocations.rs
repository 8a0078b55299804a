//! A look-up allocates nothing. Alone in its file: the counter counts all that
//! happens in the process.
#![expect(
    unsafe_code,
    reason = "an allocator that counts is one that is unsafe to write"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use router::{UrlMap, template};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn a_look_up_with_its_groups_allocates_nothing() {
    let map = UrlMap::builder()
        .route(r"^$", 0)
        .route(r"^users/(?<id>[0-9]+)/posts/(?<slug>[^/]+)$", 1)
        .route(r"^files/(?<path>.+)\.(?<kind>html|css|js)$", 2)
        .route(r"^(?<year>\d{4})/(?:(?<month>\d\d)/)?$", 3)
        .route(template("articles/{year:int}/{slug}.html"), 4)
        .route(template("{a}-{b}/x"), 5)
        .route(r"^straße/(\w+)$", 6)
        .route(r"hello/?$", 7)
        .route(r"hello/(.+)$", 8)
        .build()
        .unwrap();
    let paths = [
        "",
        "users/7/posts/wsgi",
        "files/a/b/c.html",
        "2007/",
        "2007/05/",
        "articles/2007/x.html",
        "p-q/x",
        "straße/Jürgen",
        "say/hello/",
        "hello/John",
        "no/such/route",
        "users/x",
        "日本語",
    ];
    let ask = || {
        for path in paths {
            if let Some(found) = map.find(path) {
                assert!(
                    found.args().iter().count() == found.args().len()
                        && found.span().end <= path.len()
                );
            }
        }
    };
    // The general engine is made when a pattern first needs it, once.
    ask();
    assert_eq!(allocations(ask), 0);
    assert!(allocations(|| drop(Box::new(1_u8))) > 0);
}

#[test]
fn a_map_of_a_thousand_routes_takes_at_most_two_kilobytes_a_route() {
    let mut builder = UrlMap::builder();
    for i in 0..1000 {
        builder = builder.route(
            format!(r"^section{}/item{i}/(?<id>[0-9]+)/(?<slug>[^/]+)$", i % 37),
            i,
        );
    }
    let map = builder.build().unwrap();
    assert!(map.stats().memory < 2048 * 1000, "{:?}", map.stats());
    assert_eq!(map.stats().automata, 1);
}
