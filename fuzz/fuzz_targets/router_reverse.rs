//! What `url_for` makes leads back to the same route with the same arguments.
//! The input is text: patterns, a line each, an empty line, then arguments.

#![no_main]

use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use router::{IntoPattern, UrlMap, template};

fuzz_target!(|text: &str| {
    let (patterns, args) = text.split_once("\n\n").unwrap_or((text, ""));
    let patterns: Vec<&str> = patterns
        .lines()
        .take(4)
        .filter(|pattern| pattern.len() < 60)
        .collect();
    let args: Vec<&str> = args.split('\n').take(4).collect();
    let mut builder = UrlMap::builder()
        .work_limit(2_000_000)
        .memory_limit(8 << 20)
        .pattern_limit(1 << 20);
    for (i, pattern) in patterns.iter().enumerate() {
        // Both ways to write a route, as the fuzzer likes.
        builder = if pattern.contains('{') {
            builder.route(template(pattern).named(i.to_string()), i)
        } else {
            builder.route(pattern.named(i.to_string()), i)
        };
    }
    let Ok(map) = builder.build() else { return };
    for i in 0..patterns.len() {
        for count in 0..=args.len() {
            let Ok(url) = map.url_for(&i.to_string(), &args[..count]) else {
                continue;
            };
            assert!(url.is_ascii() && !url.starts_with("//"), "{url}");
            assert!(
                url.split('/')
                    .all(|segment| segment != "." && segment != ".."),
                "{url}"
            );
            let path = percent_decode_str(&url)
                .decode_utf8()
                .expect("it was made of text");
            let found = map.find(&path).expect("it leads somewhere");
            assert_eq!(found.index(), i, "{url}");
            let groups: Vec<&str> = found.args().iter().flatten().collect();
            let mut left = args[..count].iter();
            let mut wanted = left.next();
            for group in groups {
                if wanted == Some(&group) {
                    wanted = left.next();
                }
            }
            assert_eq!(wanted, None, "{url}");
        }
    }
});
