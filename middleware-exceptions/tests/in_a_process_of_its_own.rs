//! Situations that are of a whole process: its environment, its debug information.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use gateway_core::{BoxError, FailedBy};
use middleware_exceptions::ExceptionsLayer;
use support::{Never, ask, handler, layer, ok};

/// What one of the children below prints, on stdout and then on stderr.
#[track_caller]
fn printed_by(program: &Path, child: &str, environment: &[(&str, &str)]) -> String {
    printed_in(Path::new("."), program, child, environment)
}

#[track_caller]
fn printed_in(folder: &Path, program: &Path, child: &str, environment: &[(&str, &str)]) -> String {
    let output = Command::new(program)
        .current_dir(folder)
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env(ALONE, "1")
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .env_remove("SSH_CONNECTION")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let [text, errors] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{text}{errors}");
    text + &errors
}

/// Set for a child that may have a subscriber of its own: `--ignored` runs all children in one process.
const ALONE: &str = "GATEWAY_TEST_ALONE";

fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
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

/// A handler whose error became a response, with the error in it.
fn answered(error: impl Into<BoxError>) -> Never {
    let mut response = ok("oops");
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    Ok(FailedBy::new(error).attach(response))
}

#[tokio::test]
#[ignore = "a child of anyhow_with_a_backtrace"]
async fn answered_anyhow() {
    print_report!(handler(async |_| answered(read_settings().unwrap_err())));
}

#[tokio::test]
#[ignore = "a child of anyhow_with_a_backtrace"]
async fn answered_by_a_type_around_anyhow() {
    #[derive(Debug)]
    struct AppError(anyhow::Error);
    impl std::fmt::Display for AppError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no settings")
        }
    }
    impl std::error::Error for AppError {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(self.0.as_ref())
        }
    }
    print_report!(handler(async |_| answered(AppError(
        read_settings().unwrap_err()
    ))));
}

#[inline(never)]
fn read_settings_by_eyre() -> eyre::Result<u16> {
    use eyre::WrapErr as _;
    black_box("eighty").parse().wrap_err("port is not a number")
}

#[tokio::test]
#[ignore = "a child of anyhow_with_a_backtrace"]
async fn answered_eyre() {
    print_report!(handler(async |_| answered(
        read_settings_by_eyre().unwrap_err()
    )));
}

#[test]
fn the_backtrace_of_an_error_in_a_response_tells_its_place() {
    for (child, function) in [
        ("answered_anyhow", "read_settings"),
        ("answered_by_a_type_around_anyhow", "read_settings"),
        ("answered_eyre", "read_settings_by_eyre"),
    ] {
        let text = printed_by(&this_program(), child, &[("RUST_BACKTRACE", "1")]);
        assert!(text.contains("port is not a number\n"), "{child}: {text}");
        assert!(
            text.contains(&format!(", in {function}\n")),
            "{child}: {text}"
        );
        assert!(text.contains("\nRaised at "), "{child}: {text}");
        let text = printed_by(&this_program(), child, &[]);
        assert!(text.contains("Note: no backtrace"), "{child}: {text}");
        assert!(!text.contains("\nRaised at "), "{child}: {text}");
    }
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
    let stripped = stripped_into(folder.path());
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

#[tokio::test]
#[ignore = "a child of the_page_links_to_the_editor_at_hand"]
async fn a_page() {
    let layer = layer().show_details_if(|_| true);
    let request = http::Request::get("/").header("accept", "text/html");
    let panics = handler(async |_| -> Never {
        inner_helper(black_box(7));
        Ok(ok("ok"))
    });
    let page = support::ask_for(&layer, panics, request).await.text;
    std::io::Write::write_all(&mut std::io::stdout(), page.as_bytes()).unwrap();
}

#[test]
fn the_page_links_to_the_editor_at_hand() {
    let nothing = [("TERM_PROGRAM", ""), ("VISUAL", ""), ("EDITOR", "vi")];
    let page = printed_by(&this_program(), "a_page", &nothing);
    assert!(
        page.contains("inner_helper") && !page.contains("href="),
        "{page}"
    );
    let zed = [("TERM_PROGRAM", "zed")];
    let page = printed_by(&this_program(), "a_page", &zed);
    assert!(page.contains("href=\"zed://file/"), "{page}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_source_that_is_newer_than_the_program_is_told() {
    const NOTE: &str = "tests/in_a_process_of_its_own.rs was changed after the program was built";
    let text = printed_by(&this_program(), "panicking", &[]);
    assert!(!text.contains(NOTE), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old");
    std::fs::copy(this_program(), &old).unwrap();
    let file = std::fs::File::options().append(true).open(&old).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    drop(file);
    let text = printed_by(&old, "panicking", &[]);
    assert_eq!(text.matches(NOTE).count(), 1, "{text}");
    let page = printed_by(&old, "a_page", &[]);
    assert!(
        page.contains(">changed after the program was built<"),
        "{page}"
    );
}

/// The response, and nothing else, on stdout.
async fn fail(layer: ExceptionsLayer) {
    let taken = ask(
        &layer,
        handler(async |_| -> Never { panic!("boom: token=hunter2") }),
    )
    .await;
    std::io::Write::write_all(&mut std::io::stdout(), taken.text.as_bytes()).unwrap();
}

#[tokio::test]
#[ignore = "a child of a_failure_is_on_stderr_where_nobody_subscribes"]
async fn nobody_subscribes() {
    fail(ExceptionsLayer::new().silence_default_hook()).await;
}

#[tokio::test]
#[ignore = "a child of a_failure_is_on_stderr_where_nobody_subscribes"]
async fn an_observer_and_no_subscriber() {
    fail(
        ExceptionsLayer::new()
            .silence_default_hook()
            .on_report(|_| {}),
    )
    .await;
}

#[tokio::test]
#[ignore = "a child of a_failure_is_on_stderr_where_nobody_subscribes"]
async fn a_filter_that_leaves_it_out() {
    if !is_alone() {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::new("shop=debug");
    _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    fail(ExceptionsLayer::new().silence_default_hook()).await;
}

#[tokio::test]
#[ignore = "a child of a_failure_is_on_stderr_where_nobody_subscribes"]
async fn a_filter_that_leaves_it_out_and_an_observer() {
    if !is_alone() {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::new("shop=debug");
    _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    fail(
        ExceptionsLayer::new()
            .silence_default_hook()
            .on_report(|_| {}),
    )
    .await;
}

#[tokio::test]
#[ignore = "a child of a_failure_is_on_stderr_where_nobody_subscribes"]
async fn a_subscriber() {
    if !is_alone() {
        return;
    }
    _ = tracing_subscriber::fmt().with_ansi(false).try_init();
    fail(ExceptionsLayer::new().silence_default_hook()).await;
}

/// "The failure has been logged", it says in the response.
#[test]
fn a_failure_is_on_stderr_where_nobody_subscribes() {
    let cases = [
        ("nobody_subscribes", true),
        ("an_observer_and_no_subscriber", true),
        ("a_filter_that_leaves_it_out", true),
        ("a_filter_that_leaves_it_out_and_an_observer", false),
        ("a_subscriber", false),
    ];
    for (child, expected) in cases {
        let text = printed_by(&this_program(), child, &[]);
        let (_, id) = text.split_once("Error ID: ").unwrap();
        let id = id.split_whitespace().next().unwrap();
        let record = format!(
            "\nERROR middleware_exceptions: panic: boom: token=[redacted] id={id} request=GET /orders/7\n    Traceback"
        );
        assert_eq!(
            format!("\n{text}").contains(&record),
            expected,
            "{child}: {text}"
        );
        let is_logged = text.matches("boom: token=[redacted]").count() > 0;
        assert_eq!(
            is_logged,
            expected || child == "a_subscriber",
            "{child}: {text}"
        );
    }
}

#[cfg(target_os = "linux")]
fn stripped_into(folder: &Path) -> PathBuf {
    let stripped = folder.join("stripped");
    // Of the binutils, which every linker on Linux comes with.
    let strip = Command::new("strip")
        .arg("--strip-debug")
        .arg("-o")
        .args([&stripped, &this_program()])
        .status()
        .expect("strip is installed where a linker is");
    assert!(strip.success());
    stripped
}

#[tokio::test]
#[ignore = "a child of the_source_of_another_project_is_not_shown"]
async fn failing_by_an_error_that_knows_its_place() {
    fn fail() -> Result<(), gateway_core::Error> {
        Ok(black_box("x7").parse::<u32>().map(drop)?)
    }
    print_report!(handler(async |_| -> Result<_, BoxError> {
        fail()?;
        Ok(ok("ok"))
    }));
}

/// It once was, where the program ran in a folder of that other project.
#[cfg(target_os = "linux")]
#[test]
fn the_source_of_another_project_is_not_shown() {
    const LINE: &str = r#"Ok(black_box("x7").parse::<u32>().map(drop)?)"#;
    let other = tempfile::tempdir().unwrap();
    let folder = other.path().join("middleware-exceptions/tests");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(other.path().join("Cargo.lock"), "").unwrap();
    std::fs::write(other.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    let foreign = "fn foreign() { the_other_project() }\n".repeat(1000);
    std::fs::write(folder.join("in_a_process_of_its_own.rs"), foreign).unwrap();
    let stripped = stripped_into(&folder);
    let child = "failing_by_an_error_that_knows_its_place";
    for (program, has_debuginfo) in [(this_program(), true), (stripped, false)] {
        let text = printed_in(other.path(), &program, child, &[]);
        assert!(!text.contains("the_other_project"), "{text}");
        assert!(
            text.contains("Raised at middleware-exceptions/tests/in_a_process_of_its_own.rs:"),
            "{text}"
        );
        assert_eq!(text.contains(LINE), has_debuginfo, "{text}");
    }
}
