//! What the README counts is counted again.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::process::Command;

/// The rows of the README's table of crates: name, and the column "alone".
fn rows() -> impl Iterator<Item = (&'static str, usize)> {
    let readme = include_str!("../../README.md");
    let table = readme.split("| crate | what it does | alone |").nth(1);
    let lines = table.unwrap().lines().skip(2);
    lines.take_while(|line| line.starts_with('|')).map(|line| {
        let name = line.split('`').nth(1).unwrap();
        let alone = line.rsplit(" | ").nth(1).unwrap();
        (name, alone.parse().unwrap())
    })
}

#[test]
fn a_crate_brings_along_as_many_as_the_readme_says() {
    let mut wrong = Vec::new();
    for (name, said) in rows() {
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--offline",
                // `(*)` would be coloured, too.
                "--color",
                "never",
                "-e",
                "normal",
                "--prefix",
                "none",
            ])
            .args(["--format", "{p}", "-p", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let text = String::from_utf8(tree.stdout).unwrap();
        let error = String::from_utf8_lossy(&tree.stderr);
        assert!(tree.status.success(), "{error}");
        // `(*)` is where a crate stands for the second time.
        let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
        let crates: BTreeSet<_> = lines.filter(|line| !line.is_empty()).collect();
        if crates.len() != said {
            wrong.push(format!("{name}: {}, and not {said}", crates.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(rows().count(), 7);
}

#[test]
fn the_page_on_telemetry_shows_the_programs_that_are_run() {
    let page = include_str!("../../docs/telemetry.md");
    for program in [
        include_str!("../recipes/sentry.rs"),
        include_str!("../recipes/opentelemetry.rs"),
    ] {
        let (_, shown) = program.split_once("\n\n").unwrap();
        assert!(page.contains(shown), "the page differs from: {shown}");
    }
}
