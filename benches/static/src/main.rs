//! How much processor time does one request cost `serve`, and how much the servers people use instead?
//!
//!     cargo build --release -p serve            # in the root of the repository
//!     cargo run --release -p bench-static       # in benches/; needs wrk, and nginx for its column
//!     cargo run --release -p bench-static -- 1k 304 slow
//!
//! Every server is a process of its own with two threads or workers, asked by `wrk` over loopback for the same files. What
//! counts is the time its threads spent on a processor (`/proc/PID/task/*/schedstat`) per request answered: the
//! load generator has the same two processors, so that requests per second say more about it than about the servers.

mod peers;
mod scenario;
mod server;
mod slow;

use std::process::ExitCode;

use scenario::{Cost, Scenario, Site};
use server::Server;

const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [peer, root] = &*arguments
        && peers::is_peer(peer)
    {
        peers::run(peer, root);
        return ExitCode::SUCCESS;
    }
    let wanted =
        |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let site = Site::new();
    println!(
        "{:10} {:18} {:>12} {:>14} {:>10} {:>10}",
        "", "", "requests/s", "CPU us/request", "CPU x", "req/s x"
    );
    for scenario in Scenario::all()
        .iter()
        .filter(|scenario| wanted(scenario.name))
    {
        let servers: Vec<_> = server::NAMES
            .into_iter()
            .filter_map(|name| Some((name, Server::start(name, site.root())?)))
            .collect();
        let mut costs = vec![Vec::new(); servers.len()];
        // Rounds go from one to the next, so that what else the machine does falls on all alike.
        for _ in 0..ROUNDS {
            for ((_, server), costs) in servers.iter().zip(&mut costs) {
                costs.push(scenario.run(server));
            }
        }
        let mut base = None;
        for ((name, _), costs) in servers.iter().zip(&costs) {
            let rate = median(costs, |cost| cost.requests / cost.seconds);
            let cost = median(costs, |cost| cost.cpu_seconds / cost.requests * 1e6);
            let (base_rate, base_cost) = *base.get_or_insert((rate, cost));
            println!(
                "{:10} {:18} {:>12.0} {:>14.2} {:>9.2}x {:>9.2}x",
                scenario.name,
                name,
                rate,
                cost,
                base_cost / cost,
                rate / base_rate
            );
        }
    }
    if wanted("slow") {
        println!("\n256 slow readers of 100 MiB: peak resident memory");
        let mut base = None;
        for name in server::NAMES {
            let Some(server) = Server::start(name, site.root()) else {
                continue;
            };
            let peak = slow::peak_memory(&server);
            let base = *base.get_or_insert(peak);
            println!(
                "{:29} {:>8.1} MiB {:>8.2} of ServeDir's",
                name,
                peak,
                peak / base
            );
        }
    }
    ExitCode::SUCCESS
}

fn median(costs: &[Cost], of: fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<_> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
