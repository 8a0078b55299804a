//! The map against a plain loop over `regex::Regex`. The input is text: patterns,
//! a line each, an empty line, then paths.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regex::{Regex, RegexBuilder};
use router::{BuildError, UrlMap};

fuzz_target!(|text: &str| {
    let (patterns, paths) = text.split_once("\n\n").unwrap_or((text, ""));
    // The fuzzer should spend its time on many small lists.
    let patterns: Vec<&str> = patterns
        .lines()
        .take(12)
        .filter(|pattern| pattern.len() < 80)
        .collect();
    let regexes: Vec<Option<Regex>> = patterns
        .iter()
        .map(|pattern| RegexBuilder::new(pattern).size_limit(1 << 20).build().ok())
        .collect();
    let (patterns, regexes): (Vec<&str>, Vec<Regex>) = patterns
        .into_iter()
        .zip(regexes)
        .filter_map(|(pattern, regex)| Some((pattern, regex?)))
        .unzip();
    let mut builder = UrlMap::builder()
        .work_limit(2_000_000)
        .memory_limit(8 << 20);
    for (i, pattern) in patterns.iter().enumerate() {
        builder = builder.route(pattern, i);
    }
    let paths: Vec<&str> = paths.split('\n').take(12).collect();
    let map = match builder.build() {
        Ok(map) => map,
        Err(BuildError::Impossible { pattern, .. }) => {
            let regex = Regex::new(&pattern).expect("it was accepted above");
            assert!(
                paths.iter().all(|path| !regex.is_match(path)),
                "`{pattern}` is not impossible"
            );
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for path in paths {
        let expected = regexes.iter().position(|regex| regex.is_match(path));
        let found = map.find(path);
        assert_eq!(
            found.map(|found| found.index()),
            expected,
            "{path:?} on {patterns:?}"
        );
        if let (Some(expected), Some(found)) = (expected, found) {
            let captures = regexes[expected].captures(path).expect("it matches");
            let expected: Vec<Option<&str>> = captures
                .iter()
                .skip(1)
                .map(|group| group.map(|group| group.as_str()))
                .collect();
            // Where the parser drops groups that cannot take part, the last may be missing.
            let args = found.args();
            for (i, expected) in expected.iter().enumerate() {
                assert_eq!(
                    args.get(i),
                    *expected,
                    "group {i} of {path:?} on {patterns:?}"
                );
            }
            assert_eq!(found.span(), captures.get(0).expect("the match").range());
        }
    }
});
