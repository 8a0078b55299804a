//! The map against a plain loop over `regex::Regex`, on random lists and paths.

use proptest::prelude::*;
use regex::Regex;
use router::UrlMap;

/// Regular expressions of the kind that stands in route lists, and of every
/// other kind: assertions, flags, Unicode classes, nested repetitions.
fn pattern() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "/", "ab", "x", "1", "é", "ß", "-", ".", "日本", "\0"]).prop_map(regex::escape),
        4 => prop::sample::select(vec![
            "[^/]+", "[0-9]+", "[a-z]", r"\d", r"\w+", ".", ".*", ".+?", r"[^/]*", r"(?s:.)", r"\s", r"[é-ü]", r"\p{Greek}",
            "[ab]{2}", "[ab]{1,3}", r"\w{2,}?", r"[^a]", "[a-z]+", r"\D", "(?i:aB)", "(?i)b", r"(?-u:\w)",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            r"\b", r"\B", r"(?-u:\b)", r"(?-u:\B)", "(?m:^)", "(?m:$)", "^", "$", r"\A", r"\z", "(?R)(?m:$)", "(?Rm:^)",
            r"\b{start}", r"\b{end}", r"\b{start-half}", r"\b{end-half}", r"(?-u:\b{start})",
        ]).prop_map(str::to_owned),
    ];
    let tree = atom.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            3 => inner.clone().prop_map(|part| format!("({part})")),
            1 => inner.clone().prop_map(|part| format!("(?:{part})?")),
            1 => inner.clone().prop_map(|part| format!("(?:{part})*")),
            1 => inner.clone().prop_map(|part| format!("(?:{part})+?")),
            1 => inner.clone().prop_map(|part| format!("(?:{part}){{2}}")),
            1 => inner.prop_map(|part| format!("({part})??")),
        ]
    });
    (any::<u8>(), tree).prop_map(|(ends, tree)| {
        let start = if ends & 3 == 0 { "" } else { "^" };
        let end = if ends & 12 == 0 { "" } else { "$" };
        // Most lists are written with the anchors outside.
        if ends & 16 == 0 {
            format!("{start}(?:{tree}){end}")
        } else {
            format!("{start}{tree}{end}")
        }
    })
}

fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "/",
        "ab",
        "x",
        "1",
        "é",
        "ß",
        "-",
        ".",
        "日本",
        "\n",
        "\r\n",
        "\r",
        "aB",
        "β",
        " ",
        "//",
        "_",
        "٣",
        "\u{10FFFF}",
        "\0",
    ]);
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

fn check(
    patterns: &[String],
    paths: &[String],
    work: Option<usize>,
    memory: Option<usize>,
) -> Result<(), TestCaseError> {
    let regexes: Vec<Regex> = patterns
        .iter()
        .map(|p| Regex::new(p).expect("the generator writes regular expressions"))
        .collect();
    let mut builder = UrlMap::builder();
    if let Some(work) = work {
        builder = builder.work_limit(work);
    }
    if let Some(memory) = memory {
        builder = builder.memory_limit(memory);
    }
    for (i, pattern) in patterns.iter().enumerate() {
        builder = builder.route(pattern, i);
    }
    let map = match builder.build() {
        Ok(map) => map,
        Err(router::BuildError::Impossible { pattern, .. }) => {
            let regex = Regex::new(&pattern).unwrap();
            for path in paths {
                prop_assert!(
                    !regex.is_match(path),
                    "`{pattern}` is not impossible: {path:?}"
                );
            }
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    for path in paths {
        let expected = regexes.iter().position(|regex| regex.is_match(path));
        let found = map.find(path);
        prop_assert_eq!(
            found.map(|m| m.index()),
            expected,
            "{:?} on {:?}",
            path,
            patterns
        );
        let (Some(expected), Some(found)) = (expected, found) else {
            continue;
        };
        let regex = &regexes[expected];
        let captures = regex.captures(path).unwrap();
        let args = found.args();
        prop_assert_eq!(args.len(), captures.len() - 1);
        for group in 1..captures.len() {
            prop_assert_eq!(
                args.get(group - 1),
                captures.get(group).map(|m| m.as_str()),
                "group {} of `{}` on {:?}",
                group,
                regex,
                path
            );
        }
        prop_assert_eq!(
            found.span(),
            captures.get(0).unwrap().range(),
            "`{}` on {:?}",
            regex,
            path
        );
    }
    for shadowed in map.shadowed() {
        let example = &shadowed.example;
        prop_assert!(
            regexes[shadowed.index].is_match(example),
            "{:?} {:?}",
            shadowed,
            patterns
        );
        let winner = regexes
            .iter()
            .position(|regex| regex.is_match(example))
            .unwrap();
        prop_assert!(
            winner < shadowed.index && shadowed.by.contains(&winner),
            "{:?} {:?}",
            shadowed,
            patterns
        );
    }
    Ok(())
}

/// Few enough for every run. After a change of the engine a million finds: `PROPTEST_CASES=110000`
/// in a release build, ten paths each.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn the_first_pattern_that_matches_wins_with_the_groups_that_a_loop_finds(
        patterns in prop::collection::vec(pattern(), 1..7),
        paths in prop::collection::vec(path(), 1..20),
    ) {
        check(&patterns, &paths, None, None)?;
    }

    #[test]
    fn limits_change_the_time_and_never_the_answer(
        patterns in prop::collection::vec(pattern(), 1..7),
        paths in prop::collection::vec(path(), 1..20),
        limit in 0_usize..3000,
    ) {
        check(&patterns, &paths, Some(limit), None)?;
        // Engines of a few kilobytes each: some are made, the rest is simulated.
        check(&patterns, &paths, Some(0), Some(20 * limit))?;
    }
}

/// Texts are read in words of eight bytes, and slashes are noted for the first 64.
#[test]
fn segments_of_any_length_are_found_as_a_regex_finds_them() {
    let pattern = "^([^/]*)/([^/]+)/x(?:/([^/]+))?$";
    let regex = Regex::new(pattern).unwrap();
    let map = UrlMap::builder()
        .route(pattern, 0)
        .route("^[^/]*/[^/]*$", 1)
        .build()
        .unwrap();
    for first in 0..140 {
        for second in [0, 1, 7, 8, 9, 55, 63, 64, 65, 130] {
            for tail in ["", "/x", "/x/", "/x/y", "/", "\0/x", ".0/x", "/x/éé"] {
                let path = format!("{}/{}{tail}", "a".repeat(first), "b".repeat(second));
                let expected = regex.captures(&path).map(|captures| {
                    let groups = captures.iter().skip(1);
                    groups.map(|g| g.map(|g| g.as_str())).collect::<Vec<_>>()
                });
                let found = map.find(&path);
                assert_eq!(
                    found.is_some_and(|found| found.index() == 0),
                    expected.is_some(),
                    "{path:?}"
                );
                assert_eq!(
                    found.is_some_and(|found| found.index() == 1),
                    path.matches('/').count() == 1,
                    "{path:?}"
                );
                if let Some(expected) = expected {
                    let args = found.unwrap().args();
                    assert_eq!(args.iter().collect::<Vec<_>>(), expected, "{path:?}");
                }
            }
        }
    }
}
