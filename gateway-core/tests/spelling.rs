//! How paths are spelled: the table of cases, and what holds for every path.

use gateway_core::paths::{Spelling, relative_reference};
use proptest::prelude::*;

#[derive(serde::Deserialize)]
struct Table {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    rule: String,
    path: String,
    #[serde(default)]
    has: Vec<String>,
    canonical: Option<String>,
    location: Option<String>,
}

fn what_it_has(spelling: Spelling<'_>) -> Vec<&'static str> {
    [
        (spelling.has_other_escapes(), "other escapes"),
        (spelling.has_dot_segment(), "dot segment"),
        (spelling.has_empty_segment(), "empty segment"),
        (spelling.has_encoded_slash(), "encoded slash"),
        (spelling.has_backslash(), "backslash"),
        (spelling.has_nul(), "nul"),
        (spelling.has_non_ascii(), "non-ascii"),
        (spelling.has_stray_percent(), "stray percent"),
    ]
    .into_iter()
    .filter_map(|(has, name)| has.then_some(name))
    .collect()
}

#[test]
fn every_case_of_the_table() {
    let table: Table = toml::from_str(include_str!("cases/spellings.toml")).unwrap();
    for case in table.case {
        let Case { rule, path, .. } = &case;
        let spelling = Spelling::of(path);
        let mut has = case.has.clone();
        has.sort_unstable();
        let mut found = what_it_has(spelling);
        found.sort_unstable();
        assert_eq!(found, has, "{rule}: {path}");
        assert_eq!(spelling.is_plain(), has.is_empty(), "{rule}: {path}");
        let canonical = case.canonical.as_deref().unwrap_or(path);
        assert_eq!(spelling.canonical(), canonical, "{rule}: {path}");
        if case.canonical.is_some() {
            assert_eq!(spelling.location(None), case.location, "{rule}: {path}");
        }
    }
}

#[test]
fn a_canonical_path_is_borrowed() {
    for path in ["/css/app.css", "/a%20b//./%2F", "/.well-known/x"] {
        let canonical = Spelling::of(path).canonical();
        assert!(matches!(canonical, std::borrow::Cow::Borrowed(_)), "{path}");
    }
}

#[test]
fn a_location_has_the_query_in_ascii() {
    let location = |query| Spelling::of("/%61").location(Some(query)).unwrap();
    assert_eq!(location(""), "./a?");
    assert_eq!(location("q=%61//?&x"), "./a?q=%61//?&x");
    assert_eq!(location("ü\r\n"), "./a?%C3%BC%0D%0A");
}

#[test]
fn a_relative_reference_leads_to_more_and_to_fewer_segments() {
    for (from, to, reference) in [
        ("/a/b", "/a/b/", "./b/"),
        ("/a:b", "/a:b/", "./a:b/"),
        ("/a/b/", "/a/b", "../b"),
        ("//evil.example/", "//evil.example", "../evil.example"),
        ("//evil.example", "/evil.example", "../evil.example"),
        ("/evil.example", "//evil.example", ".//evil.example"),
        ("/a//b", "/a/b", "../b"),
        ("/a/b", "/a/", "./"),
        ("/a/", "/", "../"),
        ("/a", "/ü\\", "./%C3%BC%5C"),
    ] {
        let found = relative_reference(from, to, None);
        assert_eq!(found.as_deref(), Some(reference), "{from} {to}");
    }
}

#[test]
fn there_is_no_reference_where_no_client_would_follow_it() {
    let deep = |below: usize| format!("/%61/{}", "b/".repeat(below));
    for (from, to) in [
        ("/a/./b", "/a/b"),
        ("/a/b", "/a/%2e%2e"),
        ("*", "/"),
        ("/", "*"),
        (deep(64).as_str(), "/a"),
    ] {
        assert_eq!(relative_reference(from, to, None), None, "{from} {to}");
    }
    assert!(Spelling::of(&deep(63)).location(None).is_some());
}

/// The path to which a client goes that is at `path` and told to go to `reference`: RFC 3986
/// section 5.2, as far as it is about paths.
fn resolved(path: &str, reference: &str) -> String {
    let merged = format!("{}/{reference}", path.rsplit_once('/').unwrap().0);
    let mut out: Vec<&str> = Vec::new();
    let mut segments = merged.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    out.pop();
                }
                if last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    format!("/{}", out.join("/"))
}

/// What decoding the path gives, with the edges of its segments.
fn decoded(path: &str) -> Vec<Vec<u8>> {
    path.split('/')
        .map(|segment| percent_encoding::percent_decode_str(segment).collect())
        .collect()
}

fn raw_paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-zA-Z0-9~._-]{1,9}".boxed(),
        4 => Just("/".to_owned()).boxed(),
        4 => "%[0-7][0-9a-fA-F]".boxed(),
        2 => "%[0-9a-fA-F]{2}".boxed(),
        2 => "[.%/:\\\\]{1,3}".boxed(),
        1 => "%2[eEfF]".boxed(),
        1 => "[!-~&&[^?#]]{1,2}".boxed(),
        1 => Just("ü".to_owned()).boxed(),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_canonical_spelling_is_its_own_and_names_the_same(path in raw_paths()) {
        let spelling = Spelling::of(&path);
        let canonical = spelling.canonical();
        prop_assert_eq!(decoded(&canonical), decoded(&path));
        let again = Spelling::of(&canonical);
        prop_assert_eq!(again.canonical(), canonical.clone());
        prop_assert!(!again.has_other_escapes() && !again.has_non_ascii() && !again.has_stray_percent());
        prop_assert_eq!(again.has_dot_segment(), spelling.has_dot_segment());
        prop_assert_eq!(again.has_empty_segment(), spelling.has_empty_segment());
        prop_assert_eq!(again.has_encoded_slash(), spelling.has_encoded_slash());
        prop_assert_eq!(again.has_backslash(), spelling.has_backslash());
        prop_assert!(!spelling.is_plain() || canonical == path);
    }

    #[test]
    fn paths_that_decode_alike_but_for_reserved_characters_have_one_spelling(
        units in proptest::collection::vec(("[a-zA-Z0-9~._ü -]", 0..3_u8), 1..20),
    ) {
        let spelled = |way: &dyn Fn(u8) -> u8| -> String {
            let each = units.iter().map(|(text, random)| match way(*random) {
                0 if text != " " => text.clone(),
                2 => text.bytes().map(|byte| format!("%{byte:02x}")).collect(),
                _ => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            });
            format!("/{}", each.collect::<String>())
        };
        let (one, other) = (spelled(&|random| random), spelled(&|_| 0));
        prop_assert_eq!(Spelling::of(&one).canonical(), Spelling::of(&other).canonical());
    }

    #[test]
    fn a_client_that_follows_the_location_asks_for_the_canonical_path(
        mount in prop_oneof![Just(""), Just("/files"), Just("//a/b")],
        path in raw_paths(),
        query in proptest::option::of("[!-~&&[^#]]{0,5}"),
    ) {
        let spelling = Spelling::of(&path);
        match spelling.location(query.as_deref()) {
            None => prop_assert!(spelling.has_dot_segment()),
            Some(location) => {
                prop_assert!(location.starts_with("./") || location.starts_with("../"));
                prop_assert!(http::HeaderValue::try_from(&location).is_ok());
                let canonical = format!("{mount}{}", spelling.canonical());
                let (reference, asked) = match location.split_once('?') {
                    Some((reference, asked)) => (reference, Some(asked)),
                    None => (&*location, None),
                };
                prop_assert_eq!(asked, query.as_deref());
                prop_assert_eq!(resolved(&format!("{mount}{path}"), reference), &*canonical);
                // A browser, which sends some characters otherwise than they were written.
                if !path.contains('\\') {
                    let base = url::Url::parse(&format!("http://host.example{mount}{path}")).unwrap();
                    let followed = base.join(&location).unwrap();
                    let expected = url::Url::parse(&format!("http://host.example{canonical}")).unwrap();
                    prop_assert_eq!(followed.host_str(), Some("host.example"));
                    prop_assert_eq!(followed.path(), expected.path());
                    // It is not sent round again.
                    prop_assert!(!Spelling::of(followed.path()).has_other_escapes());
                }
            }
        }
    }

    #[test]
    fn one_path_leads_to_another(from in raw_paths(), to in raw_paths()) {
        let to_canonical = Spelling::of(&to).canonical();
        match relative_reference(&from, &to, None) {
            Some(reference) => prop_assert_eq!(resolved(&from, &reference), to_canonical),
            None => prop_assert!(
                Spelling::of(&from).has_dot_segment() || Spelling::of(&to).has_dot_segment()
            ),
        }
    }
}
