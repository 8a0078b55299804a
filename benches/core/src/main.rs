//! What do the adapters cost, beside axum doing the same by hand?
//!
//! `cargo run --release` measures everything and prints one table; a word such as `hello` measures
//! that group alone. Every server is a process of its own, so that its CPU time and memory are its
//! own; the client is this process. Answers are checked before anything is timed.
//!
//! What is the pool's pace worth? `hello` and `mixed` (of sixteen requests, one waits 1 ms) have a line without it.
//! What is a change worth? `hello beside PATH` measures another build of this program in the same run.

mod client;
mod group;
mod instructions;
mod process;
mod servers;
mod slow;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name] => servers::serve(name),
        ["loop", name, times] => instructions::run(name, times.parse().unwrap()),
        [] => {
            for group in ["hello", "sleep", "mixed", "stream"] {
                group::measure(group, None);
            }
            slow::measure();
            instructions::measure();
        }
        ["slow"] => slow::measure(),
        ["instructions"] => instructions::measure(),
        [group] => group::measure(group, None),
        [group, "beside", program] => group::measure(group, Some(program.as_ref())),
        _ => eprintln!(
            "bench-core [hello | sleep | mixed | stream | slow | instructions], [group] beside [another build]"
        ),
    }
}
