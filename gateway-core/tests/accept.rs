//! What a client would rather have.

use std::collections::BTreeMap;

use gateway_core::request::accept::{Accept, weighted};
use http::header::{ACCEPT, ACCEPT_LANGUAGE};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rule: String,
    accept: Vec<String>,
    offered: Vec<String>,
    best: Option<String>,
    #[serde(default)]
    quality: BTreeMap<String, i32>,
}

fn fields(lines: &[impl AsRef<[u8]>]) -> HeaderMap {
    let values = lines
        .iter()
        .map(|line| (ACCEPT, HeaderValue::from_bytes(line.as_ref()).unwrap()));
    values.collect()
}

#[test]
fn every_case_of_the_table_is_chosen_as_it_says() {
    let table: Table = toml::from_str(include_str!("cases/accept.toml")).unwrap();
    for case in table.case {
        let headers = fields(&case.accept);
        let accept = Accept::of(&headers);
        let offered: Vec<&str> = case.offered.iter().map(String::as_str).collect();
        assert_eq!(accept.best(&offered), case.best.as_deref(), "{}", case.rule);
        for (media_type, quality) in case.quality {
            let found = accept.preference(&media_type);
            let found = found.map_or(-1, |preference| preference.quality().into());
            assert_eq!(found, quality, "{media_type}: {}", case.rule);
        }
    }
}

#[test]
fn a_wildcard_is_told_from_a_name() {
    let headers = fields(&["text/*, */*;q=0.5, image/png;q=0.1"]);
    let accept = Accept::of(&headers);
    let by_name = |kind| accept.preference(kind).unwrap().is_by_name();
    assert!(by_name("image/png") && !by_name("text/html") && !by_name("image/gif"));
}

/// A hundred elements count, and none is read twice.
#[test]
fn a_list_of_hostile_length_ends() {
    let many = vec!["text/plain;q=0.1"; 100].join(",");
    let headers = fields(&[many.as_str(), "text/html"]);
    assert_eq!(Accept::of(&headers).preference("text/html"), None);
    for piece in ["a/b;c=\"", "a/b;q=1;", ",", ";", "\\\"", "*/*,", "\u{e9}"] {
        let headers = fields(&[piece.repeat(60_000 / piece.len())]);
        _ = Accept::of(&headers).best(&["text/html", "text/plain;format=flowed"]);
    }
}

#[test]
fn bytes_that_are_no_text_fit_nothing() {
    let headers = fields(&[&b"text/\xff, text/html;q=0.5"[..], b"\xfe/\xfe;\xff=\xff"]);
    let names: Vec<_> = weighted(&headers, &ACCEPT)
        .map(|range| (range.name(), range.quality()))
        .collect();
    let other = (&b"\xfe/\xfe"[..], 1000);
    assert_eq!(
        names,
        [(&b"text/\xff"[..], 1000), (b"text/html", 500), other]
    );
    let offered = ["text/plain", "text/html"];
    assert_eq!(Accept::of(&headers).best(&offered), Some("text/html"));
}

#[test]
fn lists_of_other_fields_are_read_alike() {
    let mut headers = HeaderMap::new();
    let languages = HeaderValue::from_static("de-CH, en;q=0.8,, *;q=0");
    headers.insert(ACCEPT_LANGUAGE, languages);
    let read: Vec<_> = weighted(&headers, &ACCEPT_LANGUAGE)
        .map(|range| (range.name(), range.quality()))
        .collect();
    assert_eq!(read, [(&b"de-CH"[..], 1000), (b"en", 800), (b"*", 0)]);
}
