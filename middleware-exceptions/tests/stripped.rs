//! Programs without symbols: what a report tells of their frames, and how the unstripped file makes it whole again.
//!
//! `.ci/run released` runs it in optimised builds, too: with fat link-time optimisation, and without.
#![cfg(target_os = "linux")]
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    hint::black_box,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Never, handler, layer, ok};

#[inline(never)]
fn inner(n: u32) -> u32 {
    assert!(n > 1000, "too few: {n}"); // the place
    n
}

#[inline(never)]
fn outer(n: u32) -> u32 {
    black_box(inner(black_box(n))) + 1 // its caller
}

struct Failing(u32);

impl serde::Serialize for Failing {
    #[inline(never)]
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(black_box(outer(self.0)))
    }
}

#[tokio::test]
#[ignore = "a child"]
async fn fails() {
    let layer = layer().show_details_if(|_| true);
    let accept = std::env::var("GATEWAY_TEST_ACCEPT").unwrap_or("text/plain".into());
    let request = http::Request::get("/").header("accept", accept);
    let handler = handler(async |_| -> Never {
        // By way of a crate that no list of ours names, and that calls back.
        let text = serde_json::to_string(&Failing(black_box(2)));
        Ok(ok(text.unwrap().leak()))
    });
    let text = support::ask_for(&layer, handler, request).await.text;
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

/// What a client is shown by the program that was stripped in this way.
fn shown_by(program: &Path, accept: &str) -> String {
    let output = Command::new(program)
        .args(["--exact", "fails", "--ignored", "--nocapture"])
        .env("GATEWAY_TEST_ACCEPT", accept)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

fn stripped(how: &str, folder: &Path) -> PathBuf {
    let stripped = folder.join("a program");
    let mut strip = Command::new("strip");
    strip.args([how, "-o"]).args([&stripped, &this_program()]);
    assert!(strip.status().expect("a linker comes with strip").success());
    stripped
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// `stripped.rs:<line>`, of the line that ends in this comment.
fn place(mark: &str) -> String {
    let source = include_str!("stripped.rs");
    let mark = format!("// {mark}");
    let line = source.lines().position(|line| line.ends_with(&mark));
    format!("stripped.rs:{}", line.unwrap() + 1)
}

/// What a shell prints for a command of a report, with both files put in.
fn run(command: &str, folder: &Path, text: &str) -> String {
    let file = folder.join("text");
    std::fs::write(&file, text).unwrap();
    let quoted = |path: &Path| format!("'{}'", path.display());
    let command = command.replace("UNSTRIPPED", &quoted(&this_program()));
    let command = command.replace("THIS_TEXT", &quoted(&file));
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_unstripped_file_makes_the_traceback_whole() {
    let folder = tempfile::tempdir().unwrap();
    let program = stripped("-s", folder.path());
    let text = shown_by(&program, "text/plain");
    let frames: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("  In "))
        .collect();
    assert!(frames.len() > 2, "{text}");
    let begin = format!("  In {} 0x", program.display());
    for frame in &frames {
        let rest = frame
            .strip_prefix(&begin)
            .unwrap_or_else(|| panic!("{frame}"));
        let (address, rest) = rest.split_once(" (build id ").unwrap();
        u64::from_str_radix(address, 16).unwrap();
        let id = rest.strip_suffix(')').unwrap();
        assert!(
            id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
    // The place is compiled in, and no frame is taken for it.
    assert!(text.contains(&place("the place")), "{text}");
    assert_eq!(text.matches("stripped of its symbols").count(), 1, "{text}");
    assert!(!text.contains("line-tables-only"), "{text}");

    let (_, note) = text.split_once("build id: `").unwrap();
    let (by_addr2line, rest) = note.split_once('`').unwrap();
    let (_, by_llvm) = rest.split_once("or `").unwrap();
    let (by_llvm, _) = by_llvm.split_once('`').unwrap();
    // As a log has it: indented, and between other lines.
    let log = text.replace('\n', "\n    ");
    for text in [&text, &log] {
        let whole = run(by_addr2line, folder.path(), text);
        assert_is_whole(&whole, frames.len());
        if Command::new("llvm-symbolizer")
            .arg("--version")
            .output()
            .is_ok()
        {
            assert_is_whole(&run(by_llvm, folder.path(), text), frames.len());
        }
    }
}

#[track_caller]
fn assert_is_whole(traceback: &str, frames: usize) {
    for function in ["inner", "outer"] {
        assert!(traceback.contains(function), "{function}: {traceback}");
    }
    assert!(traceback.lines().count() >= frames, "{traceback}");
    for mark in ["the place", "its caller"] {
        assert!(traceback.contains(&place(mark)), "{mark}: {traceback}");
    }
}

#[test]
fn the_page_and_problem_json_tell_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let program = stripped("-s", folder.path());
    let page = shown_by(&program, "text/html");
    let (page, _) = page.split_once("<details class=\"text\">").unwrap();
    let begin = format!("<span class=\"place\">{} 0x", program.display());
    assert!(page.matches(&begin).count() > 2, "{page}");
    assert_eq!(page.matches("stripped of its symbols").count(), 1, "{page}");
    let json = shown_by(&program, "application/problem+json");
    let json = json.lines().find(|line| line.starts_with('{')).unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let frame = &json["traceback"][0];
    assert_eq!(frame["module"], program.to_str().unwrap(), "{frame}");
    assert!(
        frame["offset"].as_str().unwrap().starts_with("0x"),
        "{frame}"
    );
    assert!(frame["build_id"].is_string(), "{frame}");
}

#[test]
fn names_without_lines_tell_where_they_are_and_whose() {
    // Below the workspace's target folder, where a build leaves it: its lock file is at hand.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = stripped("-g", folder.path());
    let text = shown_by(&program, "text/plain");
    let frame = |title: &str| format!("  In {title}, {} 0x", program.display());
    for title in ["outer", "Failing::serialize"] {
        assert!(text.contains(&frame(title)), "{title}: {text}");
    }
    // The place is compiled in; its function's symbol is left.
    assert!(text.contains(", in inner\n"), "{text}");
    assert!(!text.contains("stripped of its symbols"), "{text}");
    for line in text.lines().filter(|line| line.starts_with("  In ")) {
        // `ask_for` is of `support`, and a frame of its own only where link-time optimisation leaves it one.
        let is_ours = [
            "outer",
            "Failing::serialize",
            "closure in fails",
            "closure in ask_for",
        ]
        .iter()
        .any(|title| line.starts_with(&frame(title)));
        assert!(is_ours, "{line}: {text}");
    }
    for line in text.lines().filter(|line| line.starts_with("  ... ")) {
        assert!(!line.contains("unknown"), "{line}");
    }
}

#[test]
fn the_whole_program_is_told_alike_with_its_lines() {
    let text = shown_by(&this_program(), "text/plain");
    for (mark, function) in [("the place", "inner"), ("its caller", "outer")] {
        let place = place(mark).replace(':', "\", line ");
        assert!(
            text.contains(&format!("{place}, in {function}\n")),
            "{text}"
        );
    }
    assert!(!text.contains(" 0x"), "{text}");
}
