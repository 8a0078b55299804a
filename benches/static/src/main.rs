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

use scenario::{Scenario, Site};
use server::Server;

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
        let mut base = None;
        for name in server::NAMES {
            let Some(server) = Server::start(name, site.root()) else {
                continue;
            };
            let result = scenario.run(&server);
            let (rate, cost) = (
                result.requests / result.seconds,
                result.cpu_seconds / result.requests * 1e6,
            );
            let (base_rate, base_cost) = *base.get_or_insert((rate, cost));
            println!(
                "{:10} {:18} {:>12.0} {:>14.2} {:>9.1}x {:>9.1}x",
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
