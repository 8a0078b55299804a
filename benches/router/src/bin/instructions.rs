//! One contender, one table, many rounds: for programs that count instructions and branch misses,
//! where seconds depend on the neighbours. What eleven rounds count beyond one is that of ten.
//!
//! ```sh
//! valgrind --tool=cachegrind --branch-sim=yes target/release/instructions shuffled ours 11
//! perf stat -e instructions,branch-misses target/release/instructions shuffled tower-ours 1000
//! ```
//!
//! Valgrind's predictor is simpler than any processor's: it shows what is cold.

#[expect(dead_code, reason = "shared with the other benchmark")]
#[path = "../tables.rs"]
mod tables;
#[expect(dead_code, reason = "shared with the other benchmark")]
#[path = "../tower_call.rs"]
mod tower_call;

use std::hint::black_box;

use router::UrlMap;
use tables::Table;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [table, who, rounds] = args.as_slice() else {
        panic!(
            "usage: instructions TABLE ours|winner|matchit|wayfind|tower-ours|tower-boxed|tower-axum|tower-endpoint ROUNDS"
        )
    };
    let table = tables::all()
        .into_iter()
        .find(|t| t.name == table)
        .expect("a table of that name");
    let rounds: usize = rounds.parse().expect("a number of rounds");
    let sum = match who.as_str() {
        "matchit" => matchit(&table, rounds),
        "wayfind" => wayfind(&table, rounds),
        "tower-ours" => calls(&mut tower_call::ours(&table), &table, rounds),
        "tower-boxed" => calls(&mut tower_call::boxed(&table), &table, rounds),
        "tower-axum" => calls(&mut tower_call::axum_services(&table), &table, rounds),
        "tower-endpoint" => calls(&mut tower_call::Answer, &table, rounds),
        _ => ours(&table, rounds, who == "ours"),
    };
    println!(
        "{} look-ups, {}",
        rounds * table.paths.len(),
        black_box(sum)
    );
}

fn matchit(table: &Table, rounds: usize) -> usize {
    let mut trie = matchit::Router::new();
    for (i, route) in table.routes.iter().enumerate() {
        let _ = trie.insert(&route.template, i);
    }
    let mut sum = 0;
    for _ in 0..rounds {
        for path in &table.paths {
            if let Ok(found) = trie.at(black_box(path)) {
                sum += *found.value
                    + found
                        .params
                        .iter()
                        .map(|(_, value)| value.len())
                        .sum::<usize>();
            }
        }
    }
    sum
}

fn wayfind(table: &Table, rounds: usize) -> usize {
    let mut builder = wayfind::RouterBuilder::new();
    for (i, route) in table.routes.iter().enumerate() {
        let _ = builder.insert(&route.template.replace('{', "<").replace('}', ">"), i);
    }
    let tree = builder.build();
    let mut sum = 0;
    for _ in 0..rounds {
        for path in &table.paths {
            if let Some(found) = tree.search(black_box(path)) {
                sum += *found.data()
                    + found
                        .parameters()
                        .iter()
                        .map(|(_, value)| value.len())
                        .sum::<usize>();
            }
        }
    }
    sum
}

fn ours(table: &Table, rounds: usize, groups: bool) -> usize {
    let mut builder = UrlMap::builder();
    for (i, route) in table.routes.iter().enumerate() {
        builder = builder.route(&route.regex, i);
    }
    let map = builder.build().expect("the table is right");
    let mut sum = 0;
    for _ in 0..rounds {
        for path in &table.paths {
            if let Some(found) = map.find(black_box(path)) {
                sum += *found.value();
                if groups {
                    sum += found.args().iter().flatten().map(str::len).sum::<usize>();
                }
            }
        }
    }
    sum
}

fn calls<S, B>(service: &mut S, table: &Table, rounds: usize) -> usize
where
    S: tower_service::Service<axum::extract::Request, Response = http::Response<B>>,
{
    (0..rounds)
        .map(|_| tower_call::round(service, &table.paths).subsec_nanos() as usize)
        .sum()
}
