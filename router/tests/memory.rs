//! What a map keeps while it is in use stays within its limit. Alone in its file: the counter counts
//! all that happens in the process.
#![expect(
    unsafe_code,
    reason = "an allocator that counts is one that is unsafe to write"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use router::UrlMap;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Different words, so that automata which are made as they are needed need many states.
fn text(route: usize) -> String {
    let letters = ['a', 'é', '中', 'Ω', 'ж', '0', '_', 'ü'];
    let word = |i: usize| -> String {
        (0..7)
            .filter_map(|k| letters.get((i * 31 + k * (i + 3)) % 8))
            .collect()
    };
    let words: Vec<String> = (0..400).map(word).collect();
    format!("r{route}/{}-end", words.join("-"))
}

#[test]
fn what_searches_note_counts_against_the_limit_of_memory() {
    const LIMIT: usize = 512 << 10;
    const ROUTES: usize = 12;
    let mut builder = UrlMap::builder().memory_limit(LIMIT);
    for i in 0..ROUTES {
        // Groups that only a search can find.
        builder = builder.route(format!(r"^r{i}/((?:\w+-?){{1,4}}|.*)-(\w+)$"), i);
    }
    let map = builder.build().unwrap();
    let texts: Vec<String> = (0..ROUTES).map(text).collect();
    let before = LIVE.load(Relaxed);
    for _ in 0..2 {
        // Each thread that searches has notes of its own.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (i, text) in texts.iter().enumerate() {
                        let found = map.find(text).unwrap();
                        assert_eq!((*found.value(), found.args().get(1)), (i, Some("end")));
                    }
                });
            }
        });
    }
    let kept = LIVE.load(Relaxed) - before;
    assert!(kept < LIMIT + (LIMIT >> 2), "{kept} bytes are kept");
}
