//! The look-up beside its peers, in one process, on the same paths in the same order, with the
//! groups read. Matchit is 1.00, in two regimes:
//!
//! - cold: the contender changes after each pass over the paths, so that caches and predictors
//!   have seen another one's code and tables since; the best of 40 passes counts.
//! - warm: each contender runs for 10 ms before it is measured for 10 ms and more, in rounds; the
//!   median of nine rounds counts.
//!
//! ```sh
//! cargo run --release -p bench-router            # all tables
//! cargo run --release -p bench-router -- github  # one
//! cargo run --release -p bench-router -- tower   # the whole call beside axum's
//! ```
//!
//! Instructions and branch misses are counted by the other program of this package, `instructions`.

mod tables;
mod tower_call;

use std::hint::black_box;
use std::time::{Duration, Instant};

use regex::{Regex, RegexSet};
use router::UrlMap;
use tables::Table;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    for table in tables::all() {
        if is_wanted(table.name) {
            run(&table);
        }
    }
    if is_wanted("suffix") {
        suffix();
    }
    if is_wanted("tower") {
        tower_call::run();
    }
}

/// Answers all paths once, and returns something that depends on every answer.
type Contender<'a> = (&'static str, Box<dyn Fn(&str) -> usize + 'a>);

fn run(table: &Table) {
    let routes = table.routes.len();
    println!(
        "\n{} ({routes} routes, {} paths)",
        table.name,
        table.paths.len()
    );
    let before = Instant::now();
    let mut builder = UrlMap::builder();
    for (i, route) in table.routes.iter().enumerate() {
        builder = builder.route(&route.regex, i);
    }
    let map = builder.build().expect("the table is right");
    let built = before.elapsed();

    let before = Instant::now();
    let mut trie = matchit::Router::new();
    let mut dropped = 0;
    for (i, route) in table.routes.iter().enumerate() {
        dropped += usize::from(trie.insert(&route.template, i).is_err());
    }
    let trie_built = before.elapsed();
    let mut tree = path_tree::PathTree::new();
    for (i, route) in table.routes.iter().enumerate() {
        let _ = tree.insert(&route.template.replace('{', ":").replace('}', ""), i);
    }
    let mut wayfind = wayfind::RouterBuilder::new();
    for (i, route) in table.routes.iter().enumerate() {
        let _ = wayfind.insert(&route.template.replace('{', "<").replace('}', ">"), i);
    }
    let wayfind = wayfind.build();

    let regexes: Vec<Regex> = table
        .routes
        .iter()
        .map(|route| Regex::new(&route.regex).unwrap())
        .collect();
    let set;
    let mut contenders: Vec<Contender<'_>> = vec![
        (
            "matchit 0.9",
            Box::new(|path| match trie.at(path) {
                Ok(found) => {
                    *found.value
                        + found
                            .params
                            .iter()
                            .map(|(_, value)| value.len())
                            .sum::<usize>()
                }
                Err(_) => 0,
            }),
        ),
        (
            "ours, winner only",
            Box::new(|path| map.find(path).map_or(0, |found| *found.value())),
        ),
        (
            "ours, with captures",
            Box::new(|path| match map.find(path) {
                Some(found) => {
                    let args = found.args();
                    *found.value() + args.iter().flatten().map(str::len).sum::<usize>()
                }
                None => 0,
            }),
        ),
        (
            "path-tree",
            Box::new(|path| match tree.find(path) {
                Some((value, found)) => {
                    *value
                        + found
                            .params_iter()
                            .map(|(_, value)| value.len())
                            .sum::<usize>()
                }
                None => 0,
            }),
        ),
        (
            "wayfind",
            Box::new(|path| match wayfind.search(path) {
                Some(found) => {
                    *found.data()
                        + found
                            .parameters()
                            .iter()
                            .map(|(_, value)| value.len())
                            .sum::<usize>()
                }
                None => 0,
            }),
        ),
    ];
    if routes <= 1000 {
        contenders.push((
            "loop over Regex",
            Box::new(|path| {
                for (i, regex) in regexes.iter().enumerate() {
                    if let Some(captures) = regex.captures(path) {
                        return i + captures
                            .iter()
                            .skip(1)
                            .flatten()
                            .map(|m| m.len())
                            .sum::<usize>();
                    }
                }
                0
            }),
        ));
        let mut actix = actix_router::Router::<usize>::build();
        for (i, route) in table.routes.iter().enumerate() {
            actix.path(route.actix.as_str(), i);
        }
        let actix = actix.finish();
        contenders.push((
            "actix-router",
            Box::new(move |path| {
                let mut path = actix_router::Path::new(path);
                actix.recognize(&mut path).map_or(0, |(value, _)| {
                    *value + path.iter().map(|(_, value)| value.len()).sum::<usize>()
                })
            }),
        ));
    }
    if routes <= 130 {
        set = RegexSet::new(table.routes.iter().map(|route| &route.regex)).unwrap();
        let regexes = &regexes;
        contenders.push((
            "RegexSet + captures",
            Box::new(move |path| {
                let Some(i) = set.matches(path).iter().next() else {
                    return 0;
                };
                let captures = regexes[i].captures(path).unwrap();
                i + captures
                    .iter()
                    .skip(1)
                    .flatten()
                    .map(|m| m.len())
                    .sum::<usize>()
            }),
        ));
    }
    report(&contenders, &table.paths);
    println!(
        "  build {built:.1?} (matchit {trie_built:.1?}), memory {} bytes a route, matchit dropped {dropped} routes",
        map.stats().memory / routes
    );
}

/// How long a contender runs on its own, before it is measured and while it is.
const WARM: Duration = Duration::from_millis(10);

fn report(contenders: &[Contender<'_>], paths: &[String]) {
    let cold = cold(contenders, paths);
    let warm = warm(contenders, paths);
    println!(
        "  {:<22} {:>8}  {:>8}  a path: cold, warm",
        "", "cold", "warm"
    );
    let ns = |pass: Duration| pass.as_nanos() as f64 / paths.len() as f64;
    let ratio = |pass: Duration, unit: Duration| pass.as_secs_f64() / unit.as_secs_f64();
    for (((name, _), &cold_pass), &warm_pass) in contenders.iter().zip(&cold).zip(&warm) {
        println!(
            "  {name:<22} {:>7.2}x  {:>7.2}x  {:>10.1} {:>10.1} ns",
            ratio(cold_pass, cold[0]),
            ratio(warm_pass, warm[0]),
            ns(cold_pass),
            ns(warm_pass),
        );
    }
}

/// The time of one pass over the paths.
fn pass(find: &dyn Fn(&str) -> usize, paths: &[String]) -> Duration {
    let before = Instant::now();
    for path in paths {
        black_box(find(black_box(path)));
    }
    before.elapsed()
}

fn cold(contenders: &[Contender<'_>], paths: &[String]) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; contenders.len()];
    for round in 0..40 {
        for ((_, find), best) in contenders.iter().zip(&mut best) {
            // The slow ones need no forty rounds to be told apart.
            if round < 3 || *best <= Duration::from_millis(20) {
                *best = (*best).min(pass(find, paths));
            }
        }
    }
    best
}

fn warm(contenders: &[Contender<'_>], paths: &[String]) -> Vec<Duration> {
    let mut rounds = vec![Vec::new(); contenders.len()];
    for round in 0..9 {
        for ((_, find), rounds) in contenders.iter().zip(&mut rounds) {
            if round >= 3 && rounds.iter().any(|pass| *pass > Duration::from_millis(20)) {
                continue;
            }
            let passes = |least: Duration| {
                let (mut passes, mut spent) = (0, Duration::ZERO);
                while spent < least {
                    spent += pass(find, paths);
                    passes += 1;
                }
                spent / passes
            };
            passes(WARM);
            rounds.push(passes(WARM));
        }
    }
    let median = |rounds: &mut Vec<Duration>| {
        rounds.sort_unstable();
        rounds[rounds.len() / 2]
    };
    rounds.iter_mut().map(median).collect()
}

/// Patterns as in the article: no `^`, so that each may begin anywhere.
fn suffix() {
    let patterns: Vec<String> = (0..1000)
        .map(|i| format!("{}{i}/?$", tables::WORDS[i % tables::WORDS.len()]))
        .collect();
    let mut builder = UrlMap::builder();
    for (i, pattern) in patterns.iter().enumerate() {
        builder = builder.route(pattern, i);
    }
    let before = Instant::now();
    let map = builder.build().unwrap();
    println!(
        "\nsuffix (1000 patterns like `hello/?$`), built in {:.1?}, {:?}",
        before.elapsed(),
        map.stats()
    );
    let regexes: Vec<Regex> = patterns
        .iter()
        .map(|pattern| Regex::new(pattern).unwrap())
        .collect();
    let paths: Vec<String> = (0..1000)
        .map(|i| {
            format!(
                "site/{}/{}{i}/",
                tables::WORDS[i * 7 % tables::WORDS.len()],
                tables::WORDS[i % tables::WORDS.len()]
            )
        })
        .collect();
    for path in &paths {
        assert_eq!(
            map.find(path).map(|m| m.index()),
            regexes.iter().position(|r| r.is_match(path)),
            "{path}"
        );
    }
    let contenders: Vec<Contender<'_>> = vec![
        (
            "ours",
            Box::new(|path| map.find(path).map_or(0, |found| found.index())),
        ),
        (
            "loop over Regex",
            Box::new(|path| {
                regexes
                    .iter()
                    .position(|regex| regex.is_match(path))
                    .unwrap_or(0)
            }),
        ),
    ];
    report(&contenders, &paths);
}
