//! What fails, how it comes out, and how the program was built: each failure is reported once, with id, chain, and place where
//! one can be known.
//!
//! `.ci/run` runs it in a debug and in a release build; each runs itself once more without its debug information
//! (`strip -g`) and without any symbol (`strip -s`).

#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    hint::black_box,
    panic::{Location, resume_unwind},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use gateway_core::{BoxError, Error, FailedBy};
use http::{Request, StatusCode};
use middleware_exceptions::{ExceptionsLayer, in_request, in_request_fn};
use serde_json::{Value, json};
use support::layer;
use tower::{Layer as _, ServiceExt as _, service_fn};

/// What is expected of a cell: its message, its causes, and whether its place is known. Where it is, the line in this file ends in
/// `// fails: <name of the cell>`. Where a task is behind it, its number is `#` here, and the line where that panicked ends in
/// `// behind: <name of the cell>`.
const CELLS: [(&str, &str, &[&str], bool); 24] = [
    ("handler returned", "no price", &[DIGIT], false),
    ("handler returned, told", "no price", &[DIGIT], true),
    ("handler ?", DIGIT, &[], true),
    ("handler unwrapped", UNWRAPPED, &[], true),
    ("handler panic", "boom 7", &[], true),
    ("service returned", "no price", &[DIGIT], false),
    ("service ?", DIGIT, &[], true),
    ("service unwrapped", UNWRAPPED, &[], true),
    ("service panic", "boom 7", &[], true),
    ("spawn_blocking resumed", "boom 7", &[], true),
    ("task resumed", "boom 7", &[], true),
    ("thread resumed", "boom 7", &[], true),
    ("task ?", PANICKED, &[], true),
    ("task returned", "no price", &[PANICKED], false),
    ("task unwrapped", UNWRAPPED_TASK, &[], true),
    ("task expected", EXPECTED_TASK, &[], true),
    ("spawn_blocking ?", PANICKED, &[], true),
    ("spawn_blocking unwrapped", UNWRAPPED_TASK, &[], true),
    ("task of a task", OUTER_TASK, &[], true),
    ("rayon resumed", "boom 7", &[], true),
    ("thread unwrapped", UNWRAPPED_THREAD, &[], true),
    ("detached panic", "boom 7", &[], true),
    ("detached unwrapped", UNWRAPPED, &[], true),
    ("detached thread", "boom 7", &[], true),
];

const PANICKED: &str = r#"task # panicked with message "boom 7""#;
const UNWRAPPED_TASK: &str =
    r#"called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(#), "boom 7", ...)"#;
const EXPECTED_TASK: &str = r#"no: price: JoinError::Panic(Id(#), "boom 7", ...)"#;
const OUTER_TASK: &str =
    r#"task # panicked with message "no: price: JoinError::Panic(Id(#), \"boom 7\", ...)""#;
/// A thread's payload says nothing in `Debug`.
const UNWRAPPED_THREAD: &str = "called `Result::unwrap()` on an `Err` value: Any { .. }";

const DIGIT: &str = "invalid digit found in string";
const UNWRAPPED: &str =
    "called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }";

#[derive(Debug)]
struct NoPrice(BoxError);

impl fmt::Display for NoPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no price")
    }
}

impl std::error::Error for NoPrice {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl IntoResponse for NoPrice {
    fn into_response(self) -> Response {
        FailedBy::new(self).attach(StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

fn parsed() -> Result<u32, std::num::ParseIntError> {
    black_box("x7").parse()
}

type Cells = BTreeMap<&'static str, Vec<Value>>;

/// Runs each cell below a layer, and notes what it reported.
async fn run_all() -> Cells {
    let mut cells = Cells::new();
    macro_rules! cell {
        ($name:literal, handler, $run:expr) => {{
            let (layer, noted) = noting();
            let app = Router::new().fallback($run).layer(layer);
            app.oneshot(Request::new(Body::empty())).await.unwrap();
            // What is detached is reported on a thread of the layer's.
            while noted.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            cells.insert($name, std::mem::take(&mut *noted.lock().unwrap()));
        }};
        ($name:literal, service, $run:expr) => {{
            let (layer, noted) = noting();
            let service = layer.layer(service_fn($run));
            let response = service.oneshot(Request::new(Body::empty())).await;
            assert_eq!(response.unwrap().status(), 500);
            cells.insert($name, std::mem::take(&mut *noted.lock().unwrap()));
        }};
    }
    cell!("handler returned", handler, async || {
        let price = parsed().map_err(|error| NoPrice(error.into()));
        price.map(|n| n.to_string())
    });
    cell!("handler returned, told", handler, async || {
        let error = NoPrice(parsed().unwrap_err().into());
        let here = Place::here(); // fails: handler returned, told
        FailedBy::new(error)
            .at(here)
            .attach(StatusCode::BAD_GATEWAY.into_response())
    });
    cell!("handler ?", handler, async || -> Result<String, Error> {
        let n = parsed()?; // fails: handler ?
        Ok(n.to_string())
    });
    cell!("handler unwrapped", handler, async || {
        parsed().unwrap().to_string() // fails: handler unwrapped
    });
    cell!("handler panic", handler, async || {
        panic!("boom {}", black_box(7)); // fails: handler panic
        #[expect(unreachable_code, reason = "the type of the answer")]
        ""
    });
    cell!("service returned", service, async |_: Request<Body>| {
        parsed()
            .map_err(|error| NoPrice(error.into()))
            .map(|_| Response::<Body>::default())
    });
    cell!("service ?", service, async |_: Request<Body>| {
        let n = (|| Ok::<_, Error>(parsed()?))(); // fails: service ?
        n.map(|_| Response::<Body>::default())
            .map_err(BoxError::from)
    });
    cell!("service unwrapped", service, async |_: Request<Body>| {
        parsed().unwrap(); // fails: service unwrapped
        Ok::<_, Infallible>(Response::<Body>::default())
    });
    cell!("service panic", service, async |_: Request<Body>| {
        boom(|| panic!("boom {}", black_box(7))); // fails: service panic
        Ok::<_, Infallible>(Response::<Body>::default())
    });
    cell!("spawn_blocking resumed", handler, async || {
        let work = || boom(|| panic!("boom {}", black_box(7))); // fails: spawn_blocking resumed
        let failed = tokio::task::spawn_blocking(work).await;
        resume_unwind(failed.unwrap_err().into_panic());
        #[expect(unreachable_code, reason = "the type of the answer")]
        ""
    });
    cell!("task resumed", handler, async || {
        let work = async || boom(|| panic!("boom {}", black_box(7))); // fails: task resumed
        let failed = tokio::spawn(work()).await;
        resume_unwind(failed.unwrap_err().into_panic());
        #[expect(unreachable_code, reason = "the type of the answer")]
        ""
    });
    cell!("thread resumed", handler, async || {
        let work = || boom(|| panic!("boom {}", black_box(7))); // fails: thread resumed
        let failed = std::thread::spawn(work).join();
        resume_unwind(failed.unwrap_err());
        #[expect(unreachable_code, reason = "the type of the answer")]
        ""
    });
    cell!("task ?", handler, async || -> Result<String, Error> {
        let work = async || boom(|| panic!("boom {}", black_box(7))); // behind: task ?
        tokio::spawn(work()).await?; // fails: task ?
        Ok("".into())
    });
    cell!("task returned", handler, async || {
        let work = async || boom(|| panic!("boom {}", black_box(7))); // behind: task returned
        let done = tokio::spawn(work()).await;
        done.map_err(|failed| NoPrice(failed.into()))
    });
    cell!("task unwrapped", handler, async || {
        let work = async || boom(|| panic!("boom {}", black_box(7))); // behind: task unwrapped
        tokio::spawn(work()).await.unwrap(); // fails: task unwrapped
    });
    cell!("task expected", handler, async || {
        let work = async || boom(|| panic!("boom {}", black_box(7))); // behind: task expected
        let done = tokio::spawn(work()).await;
        done.expect("no: price"); // fails: task expected
    });
    cell!(
        "spawn_blocking ?",
        handler,
        async || -> Result<String, Error> {
            let work = || boom(|| panic!("boom {}", black_box(7))); // behind: spawn_blocking ?
            tokio::task::spawn_blocking(work).await?; // fails: spawn_blocking ?
            Ok("".into())
        }
    );
    cell!("spawn_blocking unwrapped", handler, async || {
        let work = || boom(|| panic!("boom {}", black_box(7))); // behind: spawn_blocking unwrapped
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap(); // fails: spawn_blocking unwrapped
    });
    cell!(
        "task of a task",
        handler,
        async || -> Result<String, Error> {
            let inner = async || boom(|| panic!("boom {}", black_box(7))); // behind: task of a task
            let outer = async move {
                let done = tokio::spawn(inner()).await;
                done.expect("no: price");
            };
            tokio::spawn(outer).await?; // fails: task of a task
            Ok("".into())
        }
    );
    cell!("rayon resumed", handler, async || {
        let work = || boom(|| panic!("boom {}", black_box(7))); // fails: rayon resumed
        rayon::join(work, || ());
    });
    cell!("thread unwrapped", handler, async || {
        let work = || boom(|| panic!("boom {}", black_box(7)));
        let failed = std::thread::spawn(work).join();
        failed.unwrap(); // fails: thread unwrapped
    });
    cell!("detached panic", handler, async || {
        let work = async || boom(|| panic!("boom {}", black_box(7))); // fails: detached panic
        _ = tokio::spawn(in_request(work())).await;
    });
    cell!("detached unwrapped", handler, async || {
        let work = in_request(async {
            parsed().unwrap(); // fails: detached unwrapped
        });
        _ = tokio::spawn(work).await;
    });
    cell!("detached thread", handler, async || {
        let work = || boom(|| panic!("boom {}", black_box(7))); // fails: detached thread
        _ = std::thread::spawn(in_request_fn(work)).join();
    });
    cells
}

/// Keeps the compiler from seeing that what follows is never reached.
fn boom(run: impl Fn()) {
    if black_box(7) > 6 {
        run();
    }
}

struct Place;

impl Place {
    #[track_caller]
    fn here() -> &'static Location<'static> {
        Location::caller()
    }
}

fn noting() -> (ExceptionsLayer, Arc<Mutex<Vec<Value>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&noted);
    let layer = layer().on_report(move |report| {
        let chain: Vec<_> = report.chain().iter().map(|link| &link.message).collect();
        let tasks = report.tasks().iter().map(|panic| {
            let place = panic.location().map(ToString::to_string);
            (panic.task(), place)
        });
        let tasks: Vec<_> = tasks.collect();
        notes.lock().unwrap().push(json!({
            "id": report.id().to_string(),
            "message": report.message(),
            "chain": chain,
            "place": report.location().map(ToString::to_string),
            "tasks": tasks,
            "text": report.to_text(),
        }));
    });
    (layer, noted)
}

#[tokio::test]
#[ignore = "a child of every_failure_is_reported_once"]
async fn cells() {
    let cells = format!("\ncells: {}\n", json!(run_all().await));
    std::io::Write::write_all(&mut std::io::stdout(), cells.as_bytes()).unwrap();
}

#[test]
fn every_failure_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    for strip in [None, Some("-g"), Some("-s")] {
        let program = match strip {
            None => this_program(),
            Some(_) if !cfg!(target_os = "linux") => continue,
            Some(strip) => stripped(strip, folder.path()),
        };
        let output = Command::new(program)
            .args(["--exact", "cells", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (_, cells) = output.split_once("cells: ").expect(&output);
        let cells: Value = serde_json::from_str(cells.lines().next().unwrap()).unwrap();
        for (name, message, chain, has_place) in CELLS {
            let behind = place("behind", name).filter(|_| cfg!(feature = "tokio"));
            let at = place("fails", name);
            assert_eq!(at.is_some(), has_place, "{name}: the line is marked");
            check(
                &cells[name],
                message,
                chain,
                at.as_deref(),
                behind.as_deref(),
            )
            .unwrap_or_else(|why| unreachable!("{name}, strip {strip:?}: {why}: {}", cells[name]));
        }
    }
}

fn check(
    cell: &Value,
    message: &str,
    chain: &[&str],
    place: Option<&str>,
    behind: Option<&str>,
) -> Result<(), String> {
    let [report] = cell.as_array().ok_or("it did not run")?.as_slice() else {
        return Err("one report".into());
    };
    let text = report["text"].as_str().unwrap();
    let is_place = |known: &Value| match place {
        Some(place) => known.as_str().is_some_and(|known| known.contains(place)),
        None => known.is_null() && text.contains("Note: no backtrace"),
    };
    let tasks = report["tasks"].as_array().unwrap();
    let is_behind = || {
        let place = tasks.last()?[1].as_str()?;
        let told = text.split_once("Caused by the panic of task ")?.1;
        Some(place.contains(behind?) && told.contains(place))
    };
    for (what, holds) in [
        ("the message", numberless(&report["message"]) == message),
        (
            "the causes",
            numberless(&report["chain"][0]) == *chain.first().unwrap_or(&""),
        ),
        (
            "the number of causes",
            report["chain"].as_array().unwrap().len() == chain.len(),
        ),
        (
            "the task",
            is_behind().unwrap_or(behind.is_none() && tasks.is_empty()),
        ),
        ("the place", is_place(&report["place"])),
        ("the id", text.contains(report["id"].as_str().unwrap())),
    ] {
        if !holds {
            return Err(what.into());
        }
    }
    Ok(())
}

/// A text with `#` for the numbers of tasks.
fn numberless(text: &Value) -> String {
    let mut words = String::new();
    for (n, part) in text
        .as_str()
        .unwrap_or_default()
        .split_inclusive(['(', ' '])
        .enumerate()
    {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let is_number = n > 0 && digits > 0 && (words.ends_with("Id(") || words.ends_with("task "));
        words.push_str(if is_number { "#" } else { "" });
        words.push_str(&part[if is_number { digits } else { 0 }..]);
    }
    words
}

/// `tests/cells.rs:<line>:`, of the line that says so.
fn place(what: &str, cell: &str) -> Option<String> {
    let source = include_str!("cells.rs");
    let mark = format!("// {what}: {cell}");
    let line = source.lines().position(|line| line.ends_with(&mark))?;
    Some(format!("tests/cells.rs:{}:", line + 1))
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn stripped(how: &str, folder: &Path) -> PathBuf {
    let stripped = folder.join(how);
    // Of the binutils, which every linker on Linux comes with.
    let mut strip = Command::new("strip");
    strip.args([how, "-o"]).args([&stripped, &this_program()]);
    assert!(strip.status().expect("a linker comes with strip").success());
    stripped
}
