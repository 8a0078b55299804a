//! What a map answers, refuses and says.

use router::map::{UrlMapBuilder, Warning};
use router::{BuildError, IntoPattern, UrlForError, UrlMap, full, template};

fn map(patterns: &[&str]) -> UrlMap<usize> {
    let mut builder = UrlMap::builder();
    for (i, pattern) in patterns.iter().enumerate() {
        builder = builder.route(pattern, i);
    }
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

fn error(patterns: &[&str]) -> String {
    let mut builder = UrlMap::builder();
    for pattern in patterns {
        builder = builder.route(pattern, ());
    }
    builder
        .build()
        .map(|_| ())
        .expect_err("the list is refused")
        .to_string()
}

/// "Getting Started with WSGI": the list of URLs, searched with `re.search`
/// after `lstrip('/')`.
fn article() -> UrlMap<&'static str> {
    UrlMap::builder()
        .route(r"^$", "index")
        .route(r"hello/?$", "hello")
        .route(r"hello/(.+)$", "hello")
        .build()
        .unwrap()
}

#[test]
fn the_three_patterns_of_the_article_find_what_re_search_finds() {
    let urls = article();
    for (path, index, groups) in [
        ("", Some(0), vec![]),
        ("hello", Some(1), vec![]),
        ("hello/", Some(1), vec![]),
        ("hello/John", Some(2), vec!["John"]),
        ("hello/a/b", Some(2), vec!["a/b"]),
        // A search, not a match: neither pattern says `^`.
        ("say/hello/", Some(1), vec![]),
        ("othello", Some(1), vec![]),
        ("say/hello/John", Some(2), vec!["John"]),
        ("goodbye", None, vec![]),
        ("hello/John\n", None, vec![]),
    ] {
        let found = urls.find(path);
        assert_eq!(found.map(|found| found.index()), index, "{path:?}");
        let args: Vec<&str> = found
            .iter()
            .flat_map(|found| found.args().iter().flatten().collect::<Vec<_>>())
            .collect();
        assert_eq!(args, groups, "{path:?}");
    }
}

#[test]
fn the_first_in_the_list_wins_and_not_the_one_that_matches_further_left() {
    assert_eq!(map(&["b", "a"]).find("ab").unwrap().index(), 0);
    assert_eq!(map(&["a", "b"]).find("ab").unwrap().index(), 0);
    assert_eq!(
        map(&["^users/(.+)$", "^users/me$"])
            .find("users/me")
            .unwrap()
            .index(),
        0
    );
    assert_eq!(
        map(&["^users/me$", "^users/(.+)$"])
            .find("users/me")
            .unwrap()
            .index(),
        0
    );
}

#[test]
fn full_patterns_match_all_of_the_text_or_nothing() {
    let urls = UrlMap::builder()
        .route(full("a|ab"), 1)
        .route(full("c(d)").named("c"), 2)
        .build()
        .unwrap();
    assert_eq!(urls.find("ab").map(|m| *m.value()), Some(1));
    assert!(urls.find("abc").is_none());
    assert!(urls.find("xa").is_none());
    assert_eq!(urls.find("cd").unwrap().name(), Some("c"));
}

#[test]
fn the_end_is_the_end_of_the_text_and_not_a_final_newline() {
    assert!(map(&["^a$"]).find("a\n").is_none());
}

#[test]
fn a_group_that_took_no_part_counts_and_has_no_text() {
    let urls = map(&[r"^(?<a>x)?(?<b>y*)$"]);
    let found = urls.find("").unwrap();
    let args = found.args();
    assert_eq!(args.len(), 2);
    assert_eq!(args.names().collect::<Vec<_>>(), [Some("a"), Some("b")]);
    assert_eq!(args.iter().collect::<Vec<_>>(), [None, Some("")]);
    assert_eq!(args.name("a"), None);
    assert_eq!(args.name("b"), Some(""));
    assert_eq!(args.get(2), None);
}

#[test]
fn paths_and_patterns_beyond_ascii_work() {
    let urls = map(&[r"^straße/(?<name>\w+)$", r"^(?i)ΔΟΚΙΜΉ$", "^日(.)語$"]);
    assert_eq!(
        urls.find("straße/Jürgen").unwrap().args().name("name"),
        Some("Jürgen")
    );
    assert_eq!(urls.find("δοκιμή").unwrap().index(), 1);
    assert_eq!(urls.find("日本語").unwrap().args().get(0), Some("本"));
    assert!(urls.find("日本本語").is_none());
    assert!(urls.find("strasse/x").is_none());
}

#[test]
fn the_span_is_what_the_pattern_matched() {
    let urls = map(&["hello/?$", "^about"]);
    assert_eq!(urls.find("say/hello/").unwrap().span(), 4..10);
    assert_eq!(urls.find("about-us").unwrap().span(), 0..5);
}

#[test]
fn a_pattern_error_shows_the_place() {
    assert_eq!(
        error(&["^ok$", "^articles/(?P<year>[0-9]{4}/$"]),
        "`^articles/(?P<year>[0-9]{4}/$` is not a route pattern: unclosed group\n    \
         ^articles/(?P<year>[0-9]{4}/$\n              ^"
    );
    assert_eq!(
        error(&["^é[z-a]$"]),
        "`^é[z-a]$` is not a route pattern: invalid character class range, the start must be <= the end\n    \
         ^é[z-a]$\n       ^^^"
    );
}

#[test]
fn a_template_error_shows_the_place() {
    let refused = |template: &str| {
        UrlMap::builder()
            .route(router::template(template), ())
            .build()
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused("a/{id:itn}"),
        "`a/{id:itn}` is not a route pattern: there is no converter `itn`; there are any(..), float, int, path, re(..), str, uuid\n    \
         a/{id:itn}\n          ^^^"
    );
    assert_eq!(
        refused("a/{id"),
        "`a/{id` is not a route pattern: `{` is never closed; a brace itself is written `{{`\n    a/{id\n      ^"
    );
    assert_eq!(
        refused("{x:re([)}"),
        "`{x:re([)}` is not a route pattern: `{` is never closed; a brace itself is written `{{`\n    {x:re([)}\n    ^"
    );
    assert_eq!(
        refused("{x:re(a(b)}"),
        "`{x:re(a(b)}` is not a route pattern: `{` is never closed; a brace itself is written `{{`\n    {x:re(a(b)}\n    ^"
    );
    assert_eq!(
        refused("{x:re(*)}"),
        "`{x:re(*)}` is not a route pattern: repetition operator missing expression\n    {x:re(*)}\n          ^"
    );
    assert_eq!(refused("{a}/{a}"), "`{a}/{a}` has two groups named `a`");
    assert_eq!(
        refused("a}"),
        "`a}` is not a route pattern: `}` without `{`; a brace itself is written `}}`\n    a}\n     ^"
    );
    assert_eq!(
        refused("{1a}"),
        "`{1a}` is not a route pattern: a parameter is named by letters, digits and `_`, and begins with none of the digits\n    \
         {1a}\n     ^^"
    );
}

#[test]
fn a_name_belongs_to_one_route() {
    let error = UrlMap::builder()
        .route("^$".named("home"), 1)
        .route("^home$".named("home"), 2)
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "two routes are named `home`: `^$` and `^home$`"
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_refused() {
    for pattern in ["a^b", "$a", "[a&&b]", r"\bx\Bx\b$^"] {
        assert_eq!(
            error(&["^ok$", pattern]),
            format!("`{pattern}` can never match")
        );
    }
}

#[test]
fn a_shadowed_route_is_told_with_those_that_shadow_it_and_an_example() {
    let urls = map(&[
        r"^a$",
        r"^users/[a-m]\w*$",
        r"^users/\w+$",
        r"^users/(\d+|me)$",
        r"^users/me/$",
    ]);
    let shadowed = urls.shadowed();
    assert_eq!(shadowed.len(), 1);
    assert_eq!(
        (shadowed[0].index, shadowed[0].by.as_slice()),
        (3, [1, 2].as_slice())
    );
    assert_eq!(shadowed[0].example.chars().count(), "users/1".len());
    assert!(
        urls.find(&shadowed[0].example)
            .is_some_and(|m| m.index() < 3)
    );
    let error = UrlMap::builder()
        .route("^a", 0)
        .route("^ab$", 1)
        .deny_shadowed()
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`^ab$` never wins: `ab` and all else that it matches is taken by `^a`"
    );
}

#[test]
fn an_open_end_is_warned_about() {
    let urls = map(&["^about", "^about/$", "hello/?$", "^files/(.*)", "^a|^b$"]);
    let open: Vec<usize> = urls.warnings().iter().map(Warning::index).collect();
    assert_eq!(open, [0, 4]);
    assert_eq!(
        urls.warnings()[0].to_string(),
        "route 0, `^about`, has no `$` and matches every longer path, too"
    );
}

#[test]
fn the_table_prints_for_people() {
    let urls = UrlMap::builder()
        .route("^$", ())
        .route(r"^articles/(\d+)/$".named("article"), ())
        .route(template("files/{path:path}").named("file"), ())
        .build()
        .unwrap();
    assert_eq!(
        urls.to_string(),
        "0  ^$\n1  ^articles/(\\d+)/$  article\n2  files/{path:path}  file\n"
    );
    let listed: Vec<_> = urls
        .routes()
        .map(|r| {
            (
                r.index(),
                r.pattern().to_owned(),
                r.name().map(str::to_owned),
            )
        })
        .collect();
    assert_eq!(
        listed[2],
        (2, "files/{path:path}".to_owned(), Some("file".to_owned()))
    );
}

#[test]
fn includes_put_a_prefix_in_front_and_keep_names() {
    let articles = UrlMap::builder()
        .route("^$".named("list"), "list")
        .route("^(?<year>[0-9]{4})/$".named("year"), "year")
        .route("draft$", "draft")
        .build()
        .unwrap();
    let urls = UrlMap::builder()
        .route("^$", "home")
        .include("^(?<site>[a-z]+)/articles/", articles)
        .build()
        .unwrap();
    assert_eq!(urls.len(), 4);
    assert_eq!(*urls.find("x/articles/").unwrap().value(), "list");
    let found = urls.find("x/articles/2007/").unwrap();
    assert_eq!(
        found.args().iter().collect::<Vec<_>>(),
        [Some("x"), Some("2007")]
    );
    assert_eq!(
        found.pattern(),
        "^(?<site>[a-z]+)/articles/(?<year>[0-9]{4})/$"
    );
    assert_eq!(
        urls.url_for("year", [("site", "a"), ("year", "2007")])
            .unwrap(),
        "a/articles/2007/"
    );
    assert_eq!(*urls.find("x/articles/my/draft").unwrap().value(), "draft");
    assert!(urls.find("2007/").is_none());
}

#[test]
fn an_include_says_what_is_in_its_way() {
    let below = |pattern: &str| UrlMap::builder().route(pattern, ()).build().unwrap();
    let refused = |prefix: &str, other| {
        UrlMap::builder()
            .include(prefix, other)
            .build()
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(
        refused("^a$", below("^b")),
        BuildError::IncludeAnchored { .. }
    ));
    assert!(matches!(
        refused("^(?<x>a)", below("^(?<x>b)")),
        BuildError::DuplicateGroup { .. }
    ));
    assert!(matches!(
        refused("^a", below("^b|c")),
        BuildError::IncludeMixed { .. }
    ));
}

#[test]
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "borrowed arrays are what is tested"
)]
fn arguments_may_be_arrays_slices_vectors_and_numbers() {
    let urls = UrlMap::builder()
        .route("^a/(?<year>[0-9]+)/(?<slug>[^/]+)$".named("a"), ())
        .route("^$".named("none"), ())
        .build()
        .unwrap();
    let expected = "a/7/x";
    assert_eq!(urls.url_for("a", ["7", "x"]).unwrap(), expected);
    assert_eq!(urls.url_for("a", &["7", "x"]).unwrap(), expected);
    assert_eq!(urls.url_for("a", &["7", "x"][..]).unwrap(), expected);
    assert_eq!(
        urls.url_for("a", vec!["7".to_owned(), "x".to_owned()])
            .unwrap(),
        expected
    );
    assert_eq!(
        urls.url_for("a", [("slug", "x"), ("year", "7")]).unwrap(),
        expected
    );
    assert_eq!(
        urls.url_for("a", &[("slug", "x"), ("year", "7")]).unwrap(),
        expected
    );
    assert_eq!(
        urls.url_for(
            "a",
            [(String::from("slug"), 'x'), (String::from("year"), '7')]
        )
        .unwrap(),
        expected
    );
    assert_eq!(urls.url_for("none", ()).unwrap(), "");
    assert_eq!(urls.url_for("none", [""; 0]).unwrap(), "");
}

#[test]
fn url_for_says_which_argument_failed_which_group() {
    let urls = UrlMap::builder()
        .route("^a/(?<year>[0-9]{4})/(?<slug>[^/]+)$".named("a"), ())
        .route("^t/([a-z]+)-([a-z-]+)$".named("two"), ())
        .route("^a/2000/special$".named("below"), ())
        .route("^d/(.*)$".named("dots"), ())
        .route("^(/.*)$".named("slashes"), ())
        .build()
        .unwrap();
    let message = |result: Result<String, UrlForError>| result.unwrap_err().to_string();
    assert_eq!(message(urls.url_for("b", ())), "no route is named `b`");
    assert_eq!(
        message(urls.url_for("a", ["07", "x"])),
        "`07` does not match `[0-9]{4}`, the group `year` of `^a/(?<year>[0-9]{4})/(?<slug>[^/]+)$`"
    );
    assert!(
        message(urls.url_for("a", ["2007"])).ends_with("needs an argument for its group `slug`")
    );
    assert!(
        message(urls.url_for("a", [("slug", "x")]))
            .ends_with("needs an argument for its group `year`")
    );
    assert!(
        message(urls.url_for("a", ["2007", "x", "y"]))
            .ends_with("takes 2 arguments and was given 3")
    );
    assert!(message(urls.url_for("a", [("sulg", "x")])).ends_with("has no group `sulg`"));
    assert_eq!(
        message(urls.url_for("a", [("slug", "x"), ("slug", "y")])),
        "the argument `slug` is given twice"
    );
    assert!(matches!(
        urls.url_for("below", ()),
        Err(UrlForError::Shadowed { .. })
    ));
    for dots in ["..", ".", "a/../b", "../x"] {
        assert!(
            matches!(
                urls.url_for("dots", [dots]),
                Err(UrlForError::Unsafe { .. })
            ),
            "{dots}"
        );
    }
    assert!(matches!(
        urls.url_for("slashes", ["//evil.example"]),
        Err(UrlForError::Unsafe { .. })
    ));
    assert_eq!(urls.url_for("dots", ["...",]).unwrap(), "d/...");
}

#[test]
fn url_for_shows_the_group_as_it_was_written_and_what_was_given_on_one_line() {
    let unfit = |map: UrlMapBuilder<()>, value: &str| {
        let error = map.build().unwrap().url_for("it", [value]).unwrap_err();
        error.to_string()
    };
    let regex = |pattern: &str| UrlMap::builder().route(pattern.named("it"), ());
    assert_eq!(
        unfit(regex(r"^(?i)users/(\w+)$"), "a\nb"),
        r"`a\nb` does not match `\w+`, the group `0` of `^(?i)users/(\w+)$`"
    );
    assert_eq!(
        unfit(regex(r"^(?<when>(?:\d{4})-\d\d)$"), "x"),
        r"`x` does not match `(?:\d{4})-\d\d`, the group `when` of `^(?<when>(?:\d{4})-\d\d)$`"
    );
    let template = UrlMap::builder().route(template("u/{name}/").named("it"), ());
    assert_eq!(
        unfit(template, "a/b"),
        "`a/b` does not match `[^/]+`, the group `name` of `u/{name}/`"
    );
}

#[test]
fn a_float_has_a_point_in_a_url() {
    let urls = UrlMap::builder()
        .route(template("x/{x:float}").named("it"), ())
        .build()
        .unwrap();
    for (value, url) in [
        (1.0, "x/1.0"),
        (0.25, "x/0.25"),
        (1e20, "x/100000000000000000000.0"),
    ] {
        assert_eq!(urls.url_for("it", [value]).unwrap(), url);
    }
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(urls.url_for("it", [value]).is_err());
    }
}

#[test]
fn urls_are_percent_encoded_and_slashes_stay() {
    let urls = UrlMap::builder()
        .route("^(.*)$".named("any"), ())
        .route("^x y/$".named("sp"), ())
        .build()
        .unwrap();
    assert_eq!(
        urls.url_for("any", ["a b/ü?#%/~!$&'()*+,;=:@"]).unwrap(),
        "a%20b/%C3%BC%3F%23%25/~!$&'()*+,;=:@"
    );
    assert_eq!(
        urls.url_for("any", ["javascript:alert(1)"]).unwrap(),
        "javascript%3Aalert(1)"
    );
    assert_eq!(urls.url_for("any", ["%2e%2e"]).unwrap(), "%252e%252e");
    assert_eq!(
        urls.url_for("any", ["\\\\evil.example"]).unwrap(),
        "%5C%5Cevil.example"
    );
}

#[test]
fn lists_that_blow_up_are_built_in_time_and_keep_their_order() {
    let patterns: Vec<String> = (0..40).map(|i| format!("^/.*w{i:03}.*/z$")).collect();
    let mut builder = UrlMap::builder();
    for (i, pattern) in patterns.iter().enumerate() {
        builder = builder.route(pattern, i);
    }
    let map = builder.build().unwrap();
    assert!(map.stats().automata > 1);
    assert_eq!(map.find("/w039/w017/z").unwrap().index(), 17);
    assert_eq!(map.find("/w039/z").unwrap().index(), 39);
    assert!(map.find("/w039/").is_none());
}

#[test]
fn where_there_is_no_memory_for_engines_patterns_are_simulated_in_their_order() {
    let urls = UrlMap::builder()
        .memory_limit(0)
        .route(r"^(\w{1,200})x\d.*[a-z]{1,300}$", 0)
        .route(r"(?m)^b$|\bwo+rd\b", 1)
        .route(r"^[^/]+/straße$", 2)
        .build()
        .unwrap();
    assert_eq!(urls.stats().alone, 3);
    let winner = |path: &str| urls.find(path).map(|found| found.index());
    assert_eq!(winner("wordx1/z"), Some(0));
    assert_eq!(urls.find("éx1z").unwrap().args().get(0), Some("é"));
    assert_eq!(winner("a wooord!"), Some(1));
    assert_eq!(winner("a\nb\nc"), Some(1));
    assert_eq!(winner("ä/straße"), Some(2));
    assert_eq!(winner("ä/strasse"), None);
    assert_eq!(winner(""), None);
}

#[test]
fn where_there_is_neither_memory_nor_work_answers_stay_right() {
    // The automata of the first two are too large to be kept without memory.
    let urls = UrlMap::builder()
        .memory_limit(0)
        .work_limit(0)
        .route(r"^([a-z]{1,3000})-(\d)(?:é(.))?$", 0)
        .route(r"([^/]{2000}|x{3,3000}y)(z?)$", 1)
        .route(r"^(.*)$", 2)
        .build()
        .unwrap();
    let groups = |path: &str| {
        let found = urls.find(path).unwrap();
        let groups = found
            .args()
            .iter()
            .map(|group| group.map(str::len))
            .collect::<Vec<_>>();
        (found.index(), groups)
    };
    let long = "a".repeat(2500);
    assert_eq!(groups("abc-1"), (0, vec![Some(3), Some(1), None]));
    assert_eq!(
        groups(&format!("{long}-1éß")),
        (0, vec![Some(2500), Some(1), Some(2)])
    );
    assert_eq!(groups(&format!("/{long}z")), (1, vec![Some(2000), Some(1)]));
    assert_eq!(groups("/xxxyz"), (1, vec![Some(4), Some(1)]));
    assert_eq!(groups("abc-é"), (2, vec![Some(6)]));
}

#[test]
fn a_pattern_whose_size_was_counted_too_high_is_tried_while_there_is_work() {
    // The general engine counts less for it: many ranges of `\w` share states.
    let builder = || {
        UrlMap::builder()
            .pattern_limit(2_000_000)
            .route(r"^\w{40}$", ())
    };
    assert_eq!(builder().build().unwrap().len(), 1);
    let error = builder().work_limit(0).build().unwrap_err();
    assert!(matches!(error, BuildError::TooBig { .. }), "{error}");
}

#[test]
fn groups_are_the_same_in_any_order_that_they_are_asked_for_in() {
    let eight = "/([^/]+)".repeat(8);
    let urls = map(&[
        "^/a/([^/]+)/b/([^/]+)-([0-9]+)/(.*)$",
        "^/b(?:/(x){0})?/([^/]+)/([^/]+)$",
        "^/c/([^/]*)/([^/]*)$",
        &format!("^{eight}$"),
    ]);
    for (path, expected) in [
        (
            "/a/1/b/2-3/4/5",
            vec![Some("1"), Some("2"), Some("3"), Some("4/5")],
        ),
        ("/b/y/z", vec![None, Some("y"), Some("z")]),
        ("/c//", vec![Some(""), Some("")]),
        (
            "/1/2/3/4/5/6/7/8",
            "12345678"
                .split("")
                .filter(|c| !c.is_empty())
                .map(Some)
                .collect(),
        ),
    ] {
        let found = urls.find(path).unwrap();
        let args = found.args();
        assert_eq!(args.iter().collect::<Vec<_>>(), expected, "{path}");
        for index in (0..expected.len()).rev() {
            assert_eq!(args.get(index), expected[index], "{path}");
        }
        assert_eq!(
            args.iter().skip(1).collect::<Vec<_>>(),
            expected[1..],
            "{path}"
        );
        assert_eq!(args.get(expected.len()), None);
        assert_eq!(args.iter().len(), expected.len());
    }
}

#[test]
fn a_pattern_that_fits_no_automaton_is_still_matched_in_its_place() {
    let urls = map(&["^first$", "^(?:a|b)*a(?:a|b){18}$", "^[ab]+$"]);
    assert!(urls.stats().alone + urls.stats().automata > 1);
    assert_eq!(
        urls.find(&format!("b{}", "a".repeat(19))).unwrap().index(),
        1
    );
    assert_eq!(urls.find("first").unwrap().index(), 0);
    assert_eq!(urls.find("ab").unwrap().index(), 2);
}

#[test]
fn a_pattern_beyond_its_limit_is_an_error_and_not_a_long_wait() {
    let error = UrlMap::builder()
        .route(r"^((\w{100}){100}){100}$", ())
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::TooBig { .. }), "{error}");
}

#[test]
fn shadowed_routes_are_all_told_however_many_they_are() {
    let patterns: Vec<String> = (0..200)
        .flat_map(|i| [format!("^w{i}/[^/]+$"), format!("^w{i}/x$")])
        .collect();
    let mut builder = UrlMap::builder().work_limit(2_000_000);
    for pattern in &patterns {
        builder = builder.route(pattern, ());
    }
    let shadowed = builder.build().unwrap().shadowed();
    assert_eq!(shadowed.len(), 200);
    assert!(
        shadowed
            .iter()
            .all(|shadow| shadow.by == [shadow.index - 1])
    );
}

#[test]
fn limits_may_be_as_large_as_numbers_are() {
    let builder = || {
        UrlMap::builder()
            .memory_limit(usize::MAX)
            .pattern_limit(usize::MAX / 2)
            .work_limit(1_000_000)
            .route(r"^(\w+)-(\d{2,40})$", 0)
    };
    let urls = builder().work_limit(usize::MAX).build().unwrap();
    assert_eq!(urls.find("a-12").unwrap().args().get(1), Some("12"));
    let monster = format!("^{}a{}$", "(?:".repeat(12), "){999}".repeat(12));
    let error = builder().route(&monster, 1).build().unwrap_err();
    assert!(matches!(error, BuildError::TooBig { .. }), "{error}");
}

#[test]
fn hostile_paths_are_read_once() {
    let urls = map(&["^([^/]+/)*x$", "^/*$", r"^(a+)+$", r"^[^/]+/[^/]+$"]);
    for path in [
        "/".repeat(1 << 16),
        "a".repeat(1 << 16),
        format!("{}!", "a".repeat(1 << 16)),
        "a/".repeat(1 << 15),
        "\0".repeat(1 << 16),
    ] {
        let _ = urls.find(&path).map(|found| found.args().len());
    }
}

#[test]
fn zeros_are_characters_like_others_and_not_the_end_of_the_text() {
    let urls = map(&["^ab\0$", "^ab\0\0c", "^ab$", "^a\0b\0c\0d\0e\0", "^(\0+)x$"]);
    for (text, expected) in [
        ("ab", Some(2)),
        ("ab\0", Some(0)),
        ("ab\0\0", None),
        ("ab\0\0c", Some(1)),
        ("a", None),
        ("a\0b\0c\0d\0e", None),
        ("a\0b\0c\0d\0e\0", Some(3)),
        ("\0\0x", Some(4)),
        ("\0\0", None),
        ("", None),
    ] {
        let found = urls.find(text).map(|found| found.index());
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn templates_match_whole_paths_with_typed_parameters() {
    let urls = UrlMap::builder()
        .converter("year", "(19|20)[0-9]{2}")
        .route(template("articles/{year:year}/{slug}.html"), 0)
        .route(template("n/{n:int}"), 1)
        .route(template("f/{f:float}"), 2)
        .route(template("u/{id:uuid}"), 3)
        .route(template("any/{what:any(about, imprint)}"), 4)
        .route(template("re/{x:re([a-c]{2}|(z))}"), 5)
        .route(template("{a}-{b}"), 6)
        .route(template("brace/{{{x}}}"), 7)
        .route(template("files/{path:path}"), 8)
        .route(template("{}/{}/x"), 9)
        .build()
        .unwrap();
    for (path, index, args) in [
        (
            "articles/2007/getting-started.html",
            0,
            vec!["2007", "getting-started"],
        ),
        ("n/007", 1, vec!["007"]),
        ("f/3.14", 2, vec!["3.14"]),
        (
            "u/67e55044-10b1-426f-9247-bb680e5fe0c8",
            3,
            vec!["67e55044-10b1-426f-9247-bb680e5fe0c8"],
        ),
        ("any/about", 4, vec!["about"]),
        ("re/ab", 5, vec!["ab"]),
        ("re/z", 5, vec!["z"]),
        ("a-b-c", 6, vec!["a-b", "c"]),
        ("brace/{y}", 7, vec!["y"]),
        ("files/a/b c/d", 8, vec!["a/b c/d"]),
        ("p/q/x", 9, vec!["p", "q"]),
    ] {
        let found = urls.find(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(
            (
                found.index(),
                found.args().iter().flatten().collect::<Vec<_>>()
            ),
            (index, args),
            "{path}"
        );
    }
    for path in [
        "articles/1807/x.html",
        "n/",
        "n/x",
        "f/3",
        "u/x",
        "any/abou",
        "re/abc",
        "files/",
        "articles/2007/a/b.html",
    ] {
        assert!(urls.find(path).is_none(), "{path}");
    }
}

#[test]
fn answers_are_the_same_before_and_after_a_pattern_has_earned_its_engine() {
    let patterns = [
        r"^users/(\w+)/x$",
        r"^users/7",
        r"[0-9]+/edit/?$",
        r"^(?:ü|\w)+$",
        r"\bö\b",
        r"^users/.*$",
    ];
    let mut builder = UrlMap::builder().work_limit(0);
    for (i, pattern) in patterns.iter().enumerate() {
        builder = builder.route(pattern, i);
    }
    let map = builder.build().unwrap();
    let regexes = patterns.map(|pattern| regex::Regex::new(pattern).unwrap());
    for round in 0..1_500 {
        for path in [
            "users/7/x",
            "users/7",
            "a/7/edit",
            "üa",
            "- ö -",
            "users/-",
            "/",
        ] {
            let expected = regexes.iter().position(|regex| regex.is_match(path));
            let found = map.find(path).map(|found| found.index());
            assert_eq!(found, expected, "{path} in round {round}");
        }
    }
}
