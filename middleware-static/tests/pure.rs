//! Decisions without a file or a socket, each a row of `tests/cases`.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use middleware_static::EntityTag;
use middleware_static::conditional::{self, Decision, Validators};
use middleware_static::negotiate::Preference;
use middleware_static::path::{Candidate, Refusal};
use middleware_static::range::Selection;
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases<T> {
    case: Vec<T>,
}

fn cases<T: for<'de> Deserialize<'de>>(text: &str) -> Vec<T> {
    let cases: Cases<T> = toml::from_str(text).expect("the cases are TOML");
    assert!(!cases.case.is_empty());
    cases.case
}

#[derive(Deserialize)]
struct RangeCase {
    range: String,
    length: u64,
    gives: String,
    because: String,
}

#[test]
fn a_range_field_selects_what_rfc_9110_says() {
    for case in cases::<RangeCase>(include_str!("cases/range.toml")) {
        let range = |range: &middleware_static::range::ByteRange| {
            format!("{}-{}", range.start, range.end - 1)
        };
        let got = match Selection::parse(case.range.as_bytes(), case.length) {
            Selection::Whole => "whole".to_owned(),
            Selection::Unsatisfiable => "unsatisfiable".to_owned(),
            Selection::One(one) => range(&one),
            Selection::Several(several) => several.iter().map(range).collect::<Vec<_>>().join(" "),
        };
        assert_eq!(
            got, case.gives,
            "{} of {}: {}",
            case.range, case.length, case.because
        );
    }
}

#[test]
fn more_parts_than_the_limit_are_answered_with_everything() {
    let asked = |parts: usize| {
        let specs: Vec<String> = (0..parts)
            .map(|part| format!("{0}-{0}", part * 1000))
            .collect();
        Selection::parse(format!("bytes={}", specs.join(",")).as_bytes(), 1_000_000)
    };
    assert!(matches!(asked(32), Selection::Several(parts) if parts.len() == 32));
    assert_eq!(asked(33), Selection::Whole);
    assert_eq!(asked(10_000), Selection::Whole);
}

#[derive(Deserialize)]
struct EncodingCase {
    lines: Vec<String>,
    gives: String,
    because: String,
}

#[test]
fn codings_are_ordered_by_weight() {
    for case in cases::<EncodingCase>(include_str!("cases/accept_encoding.toml")) {
        let mut fields = HeaderMap::new();
        for line in &case.lines {
            fields.append(
                http::header::ACCEPT_ENCODING,
                HeaderValue::from_str(line).unwrap(),
            );
        }
        let got: Vec<&str> = Preference::parse(&fields)
            .iter()
            .map(|coding| coding.name())
            .collect();
        assert_eq!(
            got.join(" "),
            case.gives,
            "{:?}: {}",
            case.lines,
            case.because
        );
    }
}

#[derive(Deserialize)]
struct ConditionalCase {
    method: Option<String>,
    etag: Option<String>,
    #[serde(default = "yes")]
    modified: bool,
    fields: Vec<(String, String)>,
    gives: String,
    because: String,
}

fn yes() -> bool {
    true
}

#[test]
fn preconditions_are_evaluated_in_the_order_of_rfc_9110() {
    for case in cases::<ConditionalCase>(include_str!("cases/conditional.toml")) {
        let mut fields = HeaderMap::new();
        for (name, value) in &case.fields {
            fields.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let method: Method = case.method.as_deref().unwrap_or("GET").parse().unwrap();
        let etag = case.etag.as_deref().unwrap_or("\"a\"");
        let etag = match etag.strip_prefix("W/") {
            Some(weak) => EntityTag::weak(weak.trim_matches('"')),
            None => EntityTag::strong(etag.trim_matches('"')),
        };
        let validators = Validators {
            etag: etag.as_ref(),
            last_modified: case.modified.then_some(784_111_777),
            last_modified_is_strong: true,
        };
        let got = match conditional::evaluate(&method, &fields, validators) {
            Decision::Proceed => "proceed",
            Decision::NotModified => "not modified",
            Decision::Failed => "failed",
        };
        assert_eq!(got, case.gives, "{:?}: {}", case.fields, case.because);
    }
}

#[test]
fn if_range_compares_strongly() {
    let strong = EntityTag::strong("a").unwrap();
    let weak = EntityTag::weak("a").unwrap();
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    // (the tag of the representation, whether its date is strong, If-Range, whether the range applies)
    for (etag, date_is_strong, value, applies) in [
        (&strong, true, "\"a\"", true),
        (&strong, true, "\"b\"", false),
        (&strong, true, "W/\"a\"", false),
        (&weak, true, "W/\"a\"", false),
        (&weak, true, "\"a\"", false),
        (&strong, true, date, true),
        (&strong, false, date, false),
        (&strong, true, "Sun, 06 Nov 1994 08:49:38 GMT", false),
        (&strong, true, "Sun, 06 Nov 1994 08:49:36 GMT", false),
        (&strong, true, "garbage", false),
    ] {
        let validators = Validators {
            etag: Some(etag),
            last_modified: Some(784_111_777),
            last_modified_is_strong: date_is_strong,
        };
        let value = HeaderValue::from_static(value);
        assert_eq!(
            conditional::range_applies(&value, validators),
            applies,
            "{value:?} of {etag:?}"
        );
    }
}

#[derive(Deserialize)]
struct PathCase {
    path: String,
    gives: Option<String>,
    refused: Option<String>,
    #[serde(default)]
    other: bool,
}

#[test]
fn a_path_names_something_below_the_root_or_nothing() {
    for case in cases::<PathCase>(include_str!("cases/path.toml")) {
        let got = Candidate::parse(&case.path);
        match (&case.gives, case.refused.as_deref()) {
            (Some(name), None) => {
                let got = got.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", case.path));
                assert_eq!(
                    String::from_utf8_lossy(got.as_bytes()),
                    *name,
                    "{}",
                    case.path
                );
                assert_eq!(got.is_canonical(), !case.other, "{}", case.path);
                assert_eq!(
                    got.is_directory(),
                    name.is_empty() || name.ends_with('/'),
                    "{}",
                    case.path
                );
            }
            (None, Some("malformed")) => {
                assert_eq!(got, Err(Refusal::Malformed), "{}", case.path);
            }
            (None, Some("no such name")) => {
                assert_eq!(got, Err(Refusal::NoSuchName), "{}", case.path);
            }
            _ => panic!("{}: a case gives a name or a refusal", case.path),
        }
    }
}

#[test]
fn dotfiles_are_hidden_except_the_well_known() {
    for (path, hidden) in [
        ("/.env", true),
        ("/a/.git/config", true),
        ("/%2egit/config", true),
        ("/.well-known/security.txt", false),
        ("/.well-known/.secret", true),
        ("/a/.well-known/x", true),
        ("/.well-knownx/y", true),
        ("/a.b/c.d", false),
        ("/", false),
        ("/...", true),
    ] {
        assert_eq!(
            Candidate::parse(path).unwrap().is_hidden(),
            hidden,
            "{path}"
        );
    }
}
