//! What holds for every range set, every name and every path.
#![cfg(unix)]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use common::{Site, get_with};
use gateway_core::paths::Spelling;
use middleware_static::path::{Candidate, encode_path, encode_segment};
use middleware_static::range::{MAX_PARTS, Selection};
use proptest::prelude::*;

/// A spec of any shape, mostly near the size of the file.
fn spec() -> impl Strategy<Value = String> {
    let number = prop_oneof![0_u64..5000, Just(u64::MAX), any::<u64>()];
    prop_oneof![
        (number.clone(), number.clone()).prop_map(|(first, last)| format!("{first}-{last}")),
        (0_u64..3000, 0_u64..300).prop_map(|(first, more)| format!("{first}-{}", first + more)),
        number.clone().prop_map(|first| format!("{first}-")),
        number.prop_map(|suffix| format!("-{suffix}")),
        "[0-9 ,-]{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn selected_ranges_lie_in_the_file_and_never_overlap(specs in prop::collection::vec(spec(), 0..40), length in 0_u64..5000) {
        let field = format!("bytes={}", specs.join(","));
        let ranges = match Selection::parse(field.as_bytes(), length) {
            Selection::One(range) => vec![range],
            Selection::Several(ranges) => ranges,
            Selection::Whole | Selection::Unsatisfiable => vec![],
        };
        prop_assert!(ranges.len() <= MAX_PARTS);
        let mut sorted = ranges.clone();
        sorted.sort_by_key(|range| range.start);
        for range in &sorted {
            prop_assert!(range.start < range.end && range.end <= length);
        }
        for pair in sorted.windows(2) {
            prop_assert!(pair[0].end < pair[1].start);
        }
        prop_assert!(ranges.iter().map(|range| range.len()).sum::<u64>() <= length);
    }

    #[test]
    fn any_bytes_are_a_range_field(value in prop::collection::vec(any::<u8>(), 0..200), length in any::<u64>()) {
        let _ = Selection::parse(&value, length);
    }

    #[test]
    fn every_name_survives_its_url(name in prop::collection::vec(1_u8.., 1..100)) {
        prop_assume!(!name.contains(&b'/') && name != b"." && name != b"..");
        let url = format!("/{}", encode_segment(&name));
        let candidate = Candidate::parse(&url).unwrap();
        prop_assert_eq!(candidate.as_bytes(), &*name);
        // It is the canonical spelling: whoever follows a link of ours is not sent on.
        prop_assert!(Spelling::of(&url).is_plain() || Spelling::of(&url).has_backslash());
        prop_assert!(candidate.is_canonical());
        // And it is a URL that `http` takes.
        let uri: http::Uri = url.parse().unwrap();
        prop_assert_eq!(uri.path(), url);
    }

    #[test]
    fn no_path_has_a_way_up(raw in "[/.a%2eEfF0-9\\\\]{0,40}|/\\PC{0,40}") {
        if let Ok(candidate) = Candidate::parse(&raw) {
            let path = candidate.as_bytes();
            prop_assert!(!path.starts_with(b"/") && !path.contains(&0));
            let inner = path.strip_suffix(b"/").unwrap_or(path);
            prop_assert!(path.is_empty() || inner.split(|&byte| byte == b'/').all(|segment| !matches!(segment, b"" | b"." | b"..")));
            // What it means is what its encoding means.
            let again = format!("/{}", encode_path(path));
            let reparsed = Candidate::parse(&again).unwrap();
            prop_assert_eq!(reparsed.as_bytes(), path);
            prop_assert!(reparsed.is_canonical());
        }
    }
}

#[derive(Debug, Clone)]
struct Part {
    start: usize,
    end: usize,
}

/// What an answer to a range says it has, by the rules of RFC 9110 15.3.7 alone.
fn assemble(answer: &common::Answer, length: usize) -> Vec<(Part, Vec<u8>)> {
    let parse = |field: &str| {
        let (range, total) = field
            .strip_prefix("bytes ")
            .unwrap()
            .split_once('/')
            .unwrap();
        assert_eq!(total, length.to_string());
        let (start, last) = range.split_once('-').unwrap();
        Part {
            start: start.parse().unwrap(),
            end: last.parse::<usize>().unwrap() + 1,
        }
    };
    let kind = answer.field("content-type");
    let Some(boundary) = kind.strip_prefix("multipart/byteranges; boundary=") else {
        return vec![(parse(answer.field("content-range")), answer.body.to_vec())];
    };
    let mut parts = Vec::new();
    let mut rest = &answer.body[..];
    while let Some(part) = rest.strip_prefix(format!("--{boundary}\r\n").as_bytes()) {
        let head_end = part
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&part[..head_end]).into_owned();
        let range = parse(
            head.split("Content-Range: ")
                .nth(1)
                .unwrap()
                .split("\r\n")
                .next()
                .unwrap(),
        );
        // The length is told by the range: a boundary inside the bytes would confuse nobody.
        let (body, after) = part[head_end + 4..].split_at(range.end - range.start);
        parts.push((range, body.to_vec()));
        rest = after.strip_prefix(b"\r\n").unwrap();
    }
    assert_eq!(rest, format!("--{boundary}--\r\n").as_bytes());
    parts
}

#[test]
fn whatever_ranges_are_asked_for_the_parts_are_the_file() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let site = Site::with(&[]);
    let sizes = [1_usize, 1000, 70_000];
    let contents: Vec<Vec<u8>> = sizes
        .iter()
        .map(|&size| (0..size).map(|index| (index * 31 % 251) as u8).collect())
        .collect();
    for (size, content) in sizes.iter().zip(&contents) {
        site.write(format!("{size}"), content);
    }
    let ways = site.every_way();
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(specs in prop::collection::vec((0_usize..80_000, 1_usize..9000), 1..12), file in 0_usize..3, way in 0_usize..4)| {
        let content = &contents[file];
        let field = specs.iter().map(|(start, length)| format!("{start}-{}", start + length - 1)).collect::<Vec<_>>().join(",");
        let (name, files) = &ways[way];
        let answer = runtime.block_on(get_with(files, &format!("/{}", sizes[file]), &[("range", &format!("bytes={field}"))]));
        let asked: Vec<Part> = specs.iter().filter(|(start, _)| *start < content.len())
            .map(|&(start, length)| Part { start, end: (start + length).min(content.len()) }).collect();
        if asked.is_empty() {
            prop_assert_eq!(answer.status, 416, "{} {}", name, field);
            return Ok(());
        }
        prop_assert_eq!(answer.status, 206, "{} {}", name, field);
        let parts = assemble(&answer, content.len());
        for (part, bytes) in &parts {
            prop_assert_eq!(&bytes[..], &content[part.start..part.end]);
        }
        for wanted in asked {
            prop_assert!(parts.iter().any(|(part, _)| part.start <= wanted.start && wanted.end <= part.end), "{:?} of {}", wanted, field);
        }
    });
}

#[test]
fn every_name_round_trips_through_a_listing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(name in prop::collection::vec(1_u8.., 1..60))| {
        prop_assume!(!name.contains(&b'/') && !name.starts_with(b"."));
        let site = Site::with(&[]);
        site.write(OsStr::from_bytes(&name), &name);
        let (_, files) = site.every_way().swap_remove(usize::from(name[0]) % 4);
        let files = files.listing().index_files::<[&str; 0]>([]);
        let listing = runtime.block_on(get_with(&files, "/", &[("accept", "application/json")]));
        let listing: serde_json::Value = serde_json::from_slice(&listing.body).unwrap();
        let href = listing["entries"][0]["href"].as_str().unwrap().strip_prefix('.').unwrap().to_owned();
        let answer = runtime.block_on(get_with(&files, &href, &[]));
        prop_assert_eq!(&answer.body[..], &name[..]);
    });
}
