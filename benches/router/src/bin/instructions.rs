//! One contender, one table, many rounds: for `valgrind --tool=callgrind` and
//! `perf stat`, which count instructions where seconds depend on the neighbours.
//!
//! ```sh
//! valgrind --tool=callgrind target/release/instructions shuffled ours 100
//! ```

#[expect(dead_code, reason = "shared with the other benchmark")]
#[path = "../tables.rs"]
mod tables;

use std::hint::black_box;

use router::UrlMap;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [table, who, rounds] = args.as_slice() else {
        panic!("usage: instructions TABLE ours|winner|matchit ROUNDS")
    };
    let table = tables::all()
        .into_iter()
        .find(|t| t.name == table)
        .expect("a table of that name");
    let rounds: usize = rounds.parse().expect("a number of rounds");
    let mut sum = 0;
    if who == "matchit" {
        let mut trie = matchit::Router::new();
        for (i, route) in table.routes.iter().enumerate() {
            let _ = trie.insert(&route.template, i);
        }
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
    } else {
        let mut builder = UrlMap::builder();
        for (i, route) in table.routes.iter().enumerate() {
            builder = builder.route(&route.regex, i);
        }
        let map = builder.build().expect("the table is right");
        for _ in 0..rounds {
            for path in &table.paths {
                if let Some(found) = map.find(black_box(path)) {
                    sum += *found.value();
                    if who == "ours" {
                        sum += found.args().iter().flatten().map(str::len).sum::<usize>();
                    }
                }
            }
        }
    }
    println!(
        "{} look-ups, {}",
        rounds * table.paths.len(),
        black_box(sum)
    );
}
