//! Python's exceptions in the reports and pages of `middleware-exceptions`.

mod support;

use std::sync::{Arc, Mutex};

use gateway_core::Body;
use gateway_core::error::Foreign;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use middleware_exceptions::ExceptionsLayer;
use support::app;
use tower::{Layer, ServiceExt};

const RAISES: &str = "
def find(id):
    try:
        return {}[id]
    except KeyError as error:
        error.add_note('the table is empty')
        raise ValueError('no such order, password=hunter2') from error
def chained():
    try:
        1 / 0
    except ZeroDivisionError:
        raise LookupError('while that was handled')
def grouped():
    raise ExceptionGroup('several', [ValueError('one'), TypeError('two')])
def circle():
    error = ValueError('round')
    other = TypeError('and round')
    error.__cause__, other.__cause__ = other, error
    raise error
def deep(n):
    return deep(n + 1)
class Rude(Exception):
    def __str__(self):
        raise RuntimeError('no text')
def rude():
    raise Rude
def library():
    import json
    json.loads('{')
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/late':
        start_response('200 OK', [])
        return late()
    {'/find': lambda: find(7), '/chained': chained, '/grouped': grouped, '/circle': circle, '/rude': rude,
     '/deep': lambda: deep(0), '/library': library}[path]()
def late():
    yield b'begun'
    raise ValueError('late')
";

/// The text of the report.
async fn report(path: &str) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let observed = Arc::clone(&seen);
    let layer = ExceptionsLayer::new().on_report(move |report| {
        *observed.lock().unwrap() = report.to_text();
    });
    let service = layer.layer(app(RAISES).into_service());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    if path == "/late" {
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.expect_err("cut short");
    } else {
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains("order"));
    }
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test]
async fn an_exception_has_its_type_its_frames_in_order_and_its_causes() {
    let text = report("/find").await;
    let expected = "\
KeyError: 7
    the table is empty

The above error was the direct cause of the following error:

Traceback (most recent call last):
  File \"app.py\", line 35, in application
  File \"app.py\", line 35, in application.<locals>.<lambda>
  File \"app.py\", line 7, in find
ValueError: no such order, password=[redacted]\n";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn what_it_was_raised_while_handling_and_the_members_of_a_group_are_in_the_chain() {
    let text = report("/chained").await;
    assert!(
        text.starts_with("ZeroDivisionError: division by zero\n"),
        "{text}"
    );
    assert!(
        text.contains("LookupError: while that was handled"),
        "{text}"
    );
    let text = report("/grouped").await;
    assert!(
        text.contains("ExceptionGroup: several (2 sub-exceptions)"),
        "{text}"
    );
    assert!(
        text.contains("ValueError: one\n") && text.contains("TypeError: two\n"),
        "{text}"
    );
}

#[tokio::test]
async fn circles_depths_and_exceptions_without_text_are_told_all_the_same() {
    let text = report("/circle").await;
    assert!(
        text.contains("TypeError: and round") && text.contains("ValueError: round"),
        "{text}"
    );
    let text = report("/deep").await;
    assert!(
        text.contains("RecursionError: maximum recursion depth exceeded"),
        "{text}"
    );
    // 128 are kept, and a recursion is told once.
    assert!(
        text.contains("... more frames")
            && text.matches("in deep").count() == 1
            && text.contains("... the previous frame repeated 127 more times"),
        "{text}"
    );
    let text = report("/rude").await;
    assert!(text.contains("Rude: <exception str() failed>"), "{text}");
}

#[tokio::test]
async fn the_frames_of_libraries_are_folded() {
    let text = report("/library").await;
    assert!(
        text.contains("frames hidden (python)\njson.decoder.JSONDecodeError: "),
        "{text}"
    );
}

#[tokio::test]
async fn after_the_head_it_is_a_body_error() {
    let text = report("/late").await;
    assert!(text.contains("in late\nValueError: late"), "{text}");
    assert!(
        text.contains("Stage: response body (after the response head)"),
        "{text}"
    );
}

#[tokio::test]
async fn the_page_shows_the_source_around_each_frame() {
    let folder = std::env::temp_dir().join(format!("shown-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("shown.py"), RAISES).unwrap();
    let import = gateway_wsgi::Wsgi::import("shown:application").python_path(&folder);
    let layer = ExceptionsLayer::new()
        .development()
        .show_details_if(|_| true);
    let service = layer.layer(import.load().unwrap().into_service());
    let request = Request::get("/find").header(header::ACCEPT, "text/html");
    let response = service
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8_lossy(&body);
    assert!(
        page.contains("<span class=\"function\">find</span>"),
        "{page}"
    );
    assert!(page.contains("shown.py:7"), "{page}");
    let line = "<span class=\"at\" data-line=\"7\">        raise ValueError(";
    assert!(page.contains(line), "{page}");
    assert!(page.contains("KeyError:"), "{page}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_error_can_be_downcast() {
    use gateway_core::{Application, Environ};
    let environ = Environ::builder().uri("/find").build();
    let error = app(RAISES).respond(&mut { environ }).unwrap_err();
    let foreign: &Foreign = error.cause().downcast_ref().unwrap();
    assert_eq!(
        (foreign.language(), foreign.type_name()),
        ("Python", "ValueError")
    );
    assert_eq!(foreign.frames().last().unwrap().function(), "find");
    assert_eq!(foreign.cause().unwrap().type_name(), "KeyError");
}
