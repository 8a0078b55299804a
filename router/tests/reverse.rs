//! What `url_for` makes is matched again by the same route, with the same
//! arguments, or it is not made.

use gateway_core::paths::Spelling;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use router::{IntoPattern, UrlForError, UrlMap};

fn pattern() -> impl Strategy<Value = String> {
    let group = prop::sample::select(vec![
        "([^/]+)",
        "(.+)",
        "(.*)",
        "([0-9]+)",
        r"(\d{4})",
        r"(\w+)",
        "([a-z-]+)",
        "(a|ab)",
        "(x(y)?)",
        r"(?s)(.+)",
        "([^/]*?)",
        r"(\p{L}+)",
        "(.)",
        "(?:/page-([0-9]+))?",
        "(?:([a-z])|([0-9]))",
        "([a-z]){2}",
        r"(\.+)",
        "(/*)",
    ]);
    let literal = prop::sample::select(vec![
        "/", "a", "-", ".html", "/?", "é", "x*", "//", r"\.", "[0-9]", "%", "?:", " ",
    ])
    .prop_map(|text| {
        if text == "?:" {
            "(?::)".to_owned()
        } else {
            text.to_owned()
        }
    });
    let part = prop_oneof![1 => group.prop_map(str::to_owned), 1 => literal];
    (any::<u8>(), prop::collection::vec(part, 0..6)).prop_map(|(ends, parts)| {
        let start = if ends & 7 == 0 { "" } else { "^" };
        let end = if ends & 56 == 0 { "" } else { "$" };
        format!("{start}{}{end}", parts.concat())
    })
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "0", "2007", "/", "-", ".", "é", "%", "%2F", " ", "?", "x", "y", "\n", "\\", "~",
        ":",
    ]);
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// Few enough for every run; `PROPTEST_CASES` for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(1000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn a_url_leads_back_to_its_route_and_its_arguments(
        patterns in prop::collection::vec(pattern(), 1..4),
        args in prop::collection::vec(value(), 0..4),
    ) {
        let mut builder = UrlMap::builder();
        for (i, pattern) in patterns.iter().enumerate() {
            builder = builder.route(pattern.named(i.to_string()), i);
        }
        let Ok(map) = builder.build() else { return Ok(()) };
        for (i, pattern) in patterns.iter().enumerate() {
            let made = map.url_for(&i.to_string(), &args);
            let Ok(url) = made else { continue };
            prop_assert!(url.is_ascii() && !url.contains(['?', '#', ' ', '\\']), "{url}");
            prop_assert!(!url.starts_with("//"), "{url}");
            prop_assert_eq!(Spelling::of(&url).canonical(), &*url);
            prop_assert!(!url.starts_with('/') || pattern.trim_start_matches('^').starts_with('/'), "{url} from {pattern}");
            prop_assert!(url.split('/').all(|segment| segment != "." && segment != ".."), "{url}");
            let path = percent_decode_str(&url).decode_utf8().unwrap();
            let found = map.find(&path);
            prop_assert_eq!(found.map(|m| m.index()), Some(i), "{} from {}", url, pattern);
            let texts: Vec<&str> = found.iter().flat_map(|m| m.args().iter().flatten().collect::<Vec<_>>()).collect();
            // Groups inside of groups are not given; all others are, in order.
            let mut given = args.iter();
            let mut wanted = given.next();
            for text in &texts {
                if wanted.is_some_and(|arg| arg == text) {
                    wanted = given.next();
                }
            }
            prop_assert_eq!(wanted, None, "{:?} from {} with {:?}", texts, pattern, args);
        }
    }
}

#[test]
fn optional_groups_take_part_when_they_are_given() {
    let map = UrlMap::builder()
        .route(
            r"^articles/(?<slug>[a-z]+)/(?:page-(?<page>[0-9]+)/)?$".named("page"),
            (),
        )
        .route(r"^(?:by-id/([0-9]+)|by-name/([a-z]+))$".named("either"), ())
        .route(r"^x(?:a(?<a>\d)|b(?<b>\d))?$".named("both"), ())
        .build()
        .unwrap();
    assert_eq!(map.url_for("page", ["x"]).unwrap(), "articles/x/");
    assert_eq!(
        map.url_for("page", ["x", "2"]).unwrap(),
        "articles/x/page-2/"
    );
    assert_eq!(
        map.url_for("page", [("page", "2"), ("slug", "x")]).unwrap(),
        "articles/x/page-2/"
    );
    assert_eq!(map.url_for("either", ["7"]).unwrap(), "by-id/7");
    assert_eq!(map.url_for("either", ["seven"]).unwrap(), "by-name/seven");
    assert_eq!(map.url_for("both", ()).unwrap(), "x");
    assert_eq!(map.url_for("both", [("b", 1)]).unwrap(), "xb1");
    assert!(matches!(
        map.url_for("both", [("a", 1), ("b", 1)]),
        Err(UrlForError::NoSuchForm { .. })
    ));
}

#[test]
fn arguments_that_would_be_read_back_as_others_are_refused() {
    let map = UrlMap::builder()
        .route("^([a-z-]+)-([a-z-]+)$".named("two"), ())
        .build()
        .unwrap();
    assert_eq!(map.url_for("two", ["a-b", "c"]).unwrap(), "a-b-c");
    assert!(matches!(
        map.url_for("two", ["a", "b-c"]),
        Err(UrlForError::Ambiguous { .. })
    ));
}

#[test]
fn any_number_of_optional_groups_is_searched_and_not_listed() {
    let pattern = |count: usize| {
        let group = |i: usize| format!("(?:-k{i}=(?<k{i}>[0-9]+))?");
        format!("^x{}$", (0..count).map(group).collect::<String>())
    };
    let map = UrlMap::builder()
        .route(pattern(9).named("nine"), ())
        .route(pattern(60).replace("^x", "^y").named("many"), ())
        .build()
        .unwrap();
    let numbers: Vec<usize> = (0..9).collect();
    let all: String = numbers.iter().map(|i| format!("-k{i}={i}")).collect();
    assert_eq!(map.url_for("nine", &numbers).unwrap(), format!("x{all}"));
    let names: Vec<(String, usize)> = numbers
        .iter()
        .rev()
        .map(|i| (format!("k{i}"), *i))
        .collect();
    assert_eq!(map.url_for("nine", &names).unwrap(), format!("x{all}"));
    assert_eq!(
        map.url_for("nine", [("k8", 8), ("k3", 3)]).unwrap(),
        "x-k3=3-k8=8"
    );
    assert_eq!(map.url_for("nine", [1, 2]).unwrap(), "x-k0=1-k1=2");
    let tenth: Vec<usize> = (0..10).collect();
    assert!(matches!(
        map.url_for("nine", &tenth),
        Err(UrlForError::Extra { takes: 9, .. })
    ));
    // Which of sixty groups take thirty arguments that none of them matches: the search ends.
    assert!(matches!(
        map.url_for("many", vec!["x"; 30]),
        Err(UrlForError::Unfit { .. })
    ));
}

#[test]
fn repetitions_of_repetitions_are_written_in_bounded_time() {
    let map = UrlMap::builder()
        .route(r"^(?:(?:a{100}){100})$".named("text"), ())
        .route(r"^(?:(?:(?:(a)|(b)){20}){20})$".named("groups"), ())
        .build()
        .unwrap();
    assert_eq!(map.url_for("text", ()).unwrap(), "a".repeat(10_000));
    assert_eq!(map.url_for("groups", ["a"]).unwrap(), "a".repeat(400));
    let both = map.url_for("groups", ["a", "b"]).unwrap();
    assert_eq!((both.len(), both.matches('b').count()), (400, 1));
}
