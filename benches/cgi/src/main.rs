//! Is FastCGI behind nginx at least as cheap as HTTP is, and CGI as cheap as a shell script?
//!
//!     cargo run --release -p bench-cgi              everything, ratios at the end
//!     cargo run --release -p bench-cgi hello|bodies|cgi
//!
//! Needs nginx, Apache and wrk; Go's net/http/fcgi is measured where `go` is installed. All in one
//! run: the servers stand side by side, and rounds go from one to the next, so that what else the
//! machine does falls on all alike. Backend CPU is that of the backend's process alone.

mod backends;
mod inprocess;
mod load;

use std::collections::BTreeMap;

use load::{Backend, Front, Sample};

const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["backend", name, port] => return serve(name, port.parse().unwrap()),
        ["loop", protocol, count] => return inprocess::run(protocol, count.parse().unwrap()),
        [] => {
            hello();
            bodies();
            cgi();
        }
        ["hello"] => hello(),
        ["bodies"] => bodies(),
        ["cgi"] => cgi(),
        _ => panic!("hello, bodies or cgi"),
    }
}

fn serve(name: &str, port: u16) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match name {
            "ours" => backends::ours(port).await,
            "scgi" => backends::scgi(port).await,
            "ours-http" => backends::ours_http(port).await,
            "axum" => backends::axum_http(port).await,
            "tokio-fastcgi" => backends::tokio_fastcgi(port).await,
            _ => panic!("{name}"),
        }
    });
}

fn start() -> (Front, Vec<Backend>) {
    let mut backends: Vec<_> = ["axum", "ours", "ours-http", "scgi", "tokio-fastcgi"]
        .map(Backend::start)
        .into();
    backends.extend(Backend::go(backends::GO));
    let front = Front::nginx(&backends);
    for backend in &backends {
        assert_eq!(front.get(backend, "/"), backends::HELLO, "{}", backend.name);
    }
    (front, backends)
}

fn hello() {
    let (front, backends) = start();
    let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for backend in &backends {
            samples
                .entry(backend.name)
                .or_default()
                .push(front.wrk(backend));
        }
    }
    println!(
        "\nnginx (one worker, kept connections) in front, 16 clients, {HELLO:?}",
        HELLO = backends::HELLO
    );
    table(&samples, "axum", "req/s");
}

fn bodies() {
    let (front, backends) = start();
    for (path, title) in [("/upload", "10 MiB up"), ("/download", "10 MiB down")] {
        let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
        for _ in 0..ROUNDS {
            for backend in &backends {
                samples
                    .entry(backend.name)
                    .or_default()
                    .push(front.transfer(backend, path));
            }
        }
        println!("\n{title}, one client, nginx passes it on as it comes");
        table(&samples, "axum", "bodies/s");
    }
}

fn cgi() {
    let front = Front::apache_cgi(&[("sh", backends::SH), ("python", backends::PYTHON)]);
    let programs = ["floor", "ours", "ours-glibc", "sh", "python"];
    let programs: Vec<_> = programs
        .into_iter()
        .filter(|program| front.has(program))
        .collect();
    let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for program in &programs {
        assert_eq!(
            front.get_path(&format!("/{program}?subject=John")),
            "Hello subject=John!\n"
        );
    }
    for _ in 0..ROUNDS {
        for program in &programs {
            samples
                .entry(program)
                .or_default()
                .push(front.processes(program));
        }
    }
    println!(
        "\nApache (mod_cgid) in front, 4 clients, one process each request; CPU: the process alone.\n\
         floor: two system calls and no library, so what is left is Apache's and the kernel's"
    );
    table(&samples, "sh", "req/s");
    // Which counts in one run: what a person waits for with every request.
    for program in programs {
        let (instructions, faults) = front.start_up(program);
        println!("{program:<16}{instructions:>12} instructions (user){faults:>8} page faults");
    }
}

/// Medians, and how they stand to `base`.
fn table(samples: &BTreeMap<&str, Vec<Sample>>, base: &str, unit: &str) {
    let median = |samples: &[Sample], of: fn(&Sample) -> f64| {
        let mut values: Vec<_> = samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let base_rate = median(&samples[base], |sample| sample.rate);
    let base_cpu = median(&samples[base], |sample| sample.cpu);
    println!(
        "{:<16}{unit:>12}{:>14}{:>8}{:>8}",
        "", "CPU us each", "rate", "CPU"
    );
    for (name, samples) in samples {
        let (rate, cpu) = (
            median(samples, |sample| sample.rate),
            median(samples, |sample| sample.cpu),
        );
        println!(
            "{name:<16}{rate:>12.1}{cpu:>14.1}{:>8.2}{:>8.2}",
            rate / base_rate,
            cpu / base_cpu
        );
    }
}
