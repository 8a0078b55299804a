//! Servers with the same answer, under the same load, in turns.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::{answer, load};
use crate::process::Server;
use crate::servers::{PIECE, PIECES};

const ROUND: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 4;
const CONNECTIONS: usize = 64;

#[derive(Default)]
struct Sum {
    answered: usize,
    wall: Duration,
    cpu: Duration,
}

/// With `beside`, another build of this bench, each server of ours has its turns beside that build's.
pub fn measure(group: &str, beside: Option<&Path>) {
    let (names, length): (&[&'static str], usize) = match group {
        "hello" => (
            &[
                "axum",
                "axum + spawn_blocking",
                "inline",
                "blocking",
                "blocking, no pace",
            ],
            6,
        ),
        "mixed" => (
            &[
                "axum mixed",
                "spawn_blocking mixed",
                "blocking mixed",
                "blocking mixed, no pace",
            ],
            6,
        ),
        "sleep" => (
            &["async sleep", "spawn_blocking sleep", "blocking sleep"],
            6,
        ),
        "stream" => (
            &[
                "axum stream",
                "inline stream",
                "blocking stream",
                "blocking writer",
            ],
            PIECES * PIECE,
        ),
        _ => panic!("no group is called `{group}`"),
    };
    let mut servers: Vec<(String, Server)> = Vec::new();
    for name in names {
        servers.push(((*name).into(), Server::start(name)));
        if let Some(program) = beside
            && !name.contains("axum")
            && !name.contains("spawn")
            && !name.contains("no pace")
        {
            let label = format!("{name}, {}", program.display());
            servers.push((label, Server::of(program, name)));
        }
    }
    for (_, server) in &servers {
        let whole = answer(server.address);
        assert!(whole.starts_with(b"HTTP/1.1 200"), "{}", server.name);
        let head = whole.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        assert!(whole.len() - head >= length, "{}", server.name);
        // Caches, threads and buffers as they are after a while.
        load(server.address, CONNECTIONS, ROUND / 3);
    }
    let mut sums: Vec<Sum> = servers.iter().map(|_| Sum::default()).collect();
    for _ in 0..ROUNDS {
        for ((_, server), sum) in servers.iter().zip(&mut sums) {
            let (start, cpu) = (Instant::now(), server.cpu());
            sum.answered += load(server.address, CONNECTIONS, ROUND);
            sum.wall += start.elapsed();
            sum.cpu += server.cpu() - cpu;
        }
    }
    println!(
        "\n{group}: {CONNECTIONS} connections, ratios to {}",
        names[0]
    );
    println!("| | requests/s | CPU per request | requests/s, CPU |");
    println!("|---|---|---|---|");
    let rate = |sum: &Sum| sum.answered as f64 / sum.wall.as_secs_f64();
    let cpu = |sum: &Sum| sum.cpu.as_secs_f64() * 1e6 / sum.answered as f64;
    for ((label, _), sum) in servers.iter().zip(&sums) {
        println!(
            "| {label} | {:.2} | {:.2} | {:.0}, {:.1} us |",
            rate(sum) / rate(&sums[0]),
            cpu(sum) / cpu(&sums[0]),
            rate(sum),
            cpu(sum),
        );
    }
}
