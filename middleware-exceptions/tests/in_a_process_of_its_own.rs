//! Situations that are of a whole process: its environment, its debug information.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use gateway_core::BoxError;
use middleware_exceptions::ExceptionsLayer;
use support::{Never, ask, handler, layer, ok};

/// What one of the children below prints.
#[track_caller]
fn printed_by(program: &Path, child: &str, environment: &[(&str, &str)]) -> String {
    let output = Command::new(program)
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Prints the report of what the service does.
macro_rules! print_report {
    ($service:expr) => {{
        let texts = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&texts);
        let layer: ExceptionsLayer =
            layer().on_report(move |report| seen.lock().unwrap().push(report.to_text()));
        ask(&layer, $service).await;
        println!("{}", texts.lock().unwrap().remove(0));
    }};
}

#[inline(never)]
fn read_settings() -> anyhow::Result<u16> {
    use anyhow::Context as _;
    black_box("eighty").parse().context("port is not a number")
}

#[inline(never)]
fn inner_helper(n: u32) -> u32 {
    if n < 1000 { panic!("inner {n}") } else { n }
}

#[tokio::test]
#[ignore = "a child of anyhow_with_a_backtrace"]
async fn boxed_anyhow() {
    print_report!(handler(async |_| -> Result<_, BoxError> {
        read_settings()?;
        Ok(ok("ok"))
    }));
}

#[cfg(feature = "anyhow")]
#[tokio::test]
#[ignore = "a child of anyhow_with_a_backtrace"]
async fn plain_anyhow() {
    print_report!(handler(async |_| -> anyhow::Result<_> {
        read_settings()?;
        Ok(ok("ok"))
    }));
}

#[tokio::test]
#[ignore = "a child of no_debuginfo"]
async fn panicking() {
    print_report!(handler(async |_| -> Never {
        inner_helper(black_box(7));
        Ok(ok("ok"))
    }));
}

#[test]
fn anyhow_with_a_backtrace() {
    let mut children = vec!["boxed_anyhow"];
    if cfg!(feature = "anyhow") {
        children.push("plain_anyhow");
    }
    for child in children {
        let text = printed_by(&this_program(), child, &[("RUST_BACKTRACE", "1")]);
        assert!(text.contains(": port is not a number\n"), "{child}: {text}");
        assert!(
            text.contains(", in read_settings\n"),
            "the frame of the error: {child}: {text}"
        );
        assert!(
            text.contains(r#"    black_box("eighty").parse().context("port is not a number")"#),
            "its line of source: {child}: {text}"
        );
        let without = printed_by(&this_program(), child, &[]);
        assert!(!without.contains(", in read_settings\n"), "{without}");
        assert!(
            without.contains("RUST_BACKTRACE"),
            "how to get one: {without}"
        );
    }
}

/// As a build with `debug = false` leaves it: the names of functions, and nothing of files and lines.
#[cfg(target_os = "linux")]
#[test]
fn no_debuginfo() {
    let folder = tempfile::tempdir().unwrap();
    let stripped = folder.path().join("stripped");
    // Of the binutils, which every linker on Linux comes with.
    let strip = Command::new("strip")
        .arg("--strip-debug")
        .arg("-o")
        .args([&stripped, &this_program()])
        .status()
        .expect("strip is installed where a linker is");
    assert!(strip.success());
    let text = printed_by(&stripped, "panicking", &[]);
    assert!(text.contains("\npanic: inner 7\n"), "{text}");
    assert!(text.contains("inner_helper"), "names are left: {text}");
    assert!(
        text.contains("Raised at middleware-exceptions/tests/in_a_process_of_its_own.rs:"),
        "the place is compiled in: {text}"
    );
    assert!(
        text.contains(r#"Note: set debug = "line-tables-only""#),
        "{text}"
    );
    assert!(!text.contains(", line 0"), "{text}");
}
