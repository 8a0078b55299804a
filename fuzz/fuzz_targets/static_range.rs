//! Any bytes as a Range field of a representation of any length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use middleware_static::range::{MAX_PARTS, Selection};

fuzz_target!(|input: (u64, &[u8])| {
    let (length, value) = input;
    // With the right unit in front most inputs get past the first look.
    let prefixed = [b"bytes=", value].concat();
    for value in [value, &prefixed] {
        let ranges = match Selection::parse(value, length) {
            Selection::One(range) => vec![range],
            Selection::Several(ranges) => ranges,
            Selection::Whole | Selection::Unsatisfiable => continue,
        };
        assert!(!ranges.is_empty() && ranges.len() <= MAX_PARTS);
        assert!(
            ranges
                .iter()
                .all(|range| range.start < range.end && range.end <= length)
        );
        let total: u128 = ranges.iter().map(|range| u128::from(range.len())).sum();
        assert!(total <= u128::from(length));
    }
});
