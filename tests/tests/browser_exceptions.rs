//! The page of a failure in a real browser: Debian's chromium by its chromedriver.
//!
//! `cargo test -p conformance --test browser_exceptions -- --ignored`

mod browser;

use std::time::Duration;

use browser::Browser;
use fantoccini::{
    Locator,
    actions::{InputSource as _, KeyAction, KeyActions},
    key::Key,
};
use gateway_core::{Body, BoxError};
use gateway_server::http::Server;
use http::{Request, Response, header};
use middleware_exceptions::ExceptionsLayer;
use tower::Layer as _;

const MESSAGE: &str = "boom <b>\"&amp;\"</b>";

/// Fails at `/`; elsewhere there is a field, with the query in it.
async fn route(request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let query = match request.uri().path() {
        "/" => std::hint::black_box(None).expect(MESSAGE),
        _ => request.uri().query(),
    };
    let query = query.unwrap_or_default();
    let page = format!("<!doctype html><title>field</title><textarea autofocus>{query}</textarea>");
    let response = Response::builder().header(header::CONTENT_TYPE, "text/html");
    Ok(response.body(page.into())?)
}

/// A server whose places open at itself.
fn serve() -> String {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", server.local_addr().unwrap());
    let exceptions = ExceptionsLayer::new()
        .development_in_release()
        .silence_default_hook()
        .editor(format!("{base}/editor?{{path}}:{{line}}:{{column}}"));
    tokio::spawn(server.serve(exceptions.layer(tower::service_fn(route))));
    base
}

/// What the clipboard holds, by way of a field.
async fn pasted(browser: &Browser, base: &str) -> String {
    browser.client.goto(&format!("{base}/field")).await.unwrap();
    browser.click("textarea").await;
    let (control, v) = (char::from(Key::Control), 'v');
    let keys = KeyActions::new("keyboard".to_owned())
        .then(KeyAction::Down { value: control })
        .then(KeyAction::Down { value: v })
        .then(KeyAction::Up { value: v })
        .then(KeyAction::Up { value: control });
    browser.client.perform_actions(keys).await.unwrap();
    let field = browser.wait_for("textarea").await;
    field.prop("value").await.unwrap().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn the_buttons_copy_the_traceback_and_say_so_for_a_while() {
    let base = serve();
    let browser = Browser::start().await;
    for (kind, begins) in [
        ("as-text", "Traceback (most recent call last):"),
        ("as-markdown", "#"),
    ] {
        browser
            .client
            .goto(&format!("{base}/?token=hunter2"))
            .await
            .unwrap();
        let id = browser.text("dl.facts dd:last-of-type").await;
        let button = format!("button[data-copy={kind}]");
        let label = browser.text(&button).await;
        browser.click(&button).await;
        browser.shows(&button, "Copied").await;
        // Once more before it is over: it was "Copied" for ever.
        browser.click(&button).await;
        browser.shows(&button, &label).await;
        tokio::time::sleep(Duration::from_millis(1600)).await;
        assert_eq!(browser.text(&button).await, label);

        let text = pasted(&browser, &base).await;
        assert!(text.starts_with(begins), "{text}");
        assert!(text.contains(MESSAGE), "{text}");
        assert!(text.contains(&format!("Error ID: {id}")), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn a_place_opens_in_the_editor_and_leaves_its_source_open() {
    let base = serve();
    let browser = Browser::start().await;
    browser.client.goto(&base).await.unwrap();
    browser.shows("h1", MESSAGE).await;
    let place = browser.text("a.place").await;
    assert!(
        place.starts_with("tests/tests/browser_exceptions.rs:"),
        "{place}"
    );
    // The failing line is marked.
    assert!(
        browser
            .text(".source .at")
            .await
            .contains("expect(MESSAGE)")
    );

    browser.click("a.place").await;
    browser.is_at("/editor").await;
    let field = browser.wait_for("textarea").await;
    let opened = field.prop("value").await.unwrap().unwrap();
    assert!(opened.contains(&format!("/{place}:")), "{opened}");

    browser.client.back().await.unwrap();
    browser.shows("h1", MESSAGE).await;
    assert!(
        browser
            .text(".source .at")
            .await
            .contains("expect(MESSAGE)")
    );
    // Frames of others are folded, and open.
    let others = browser.client.find(Locator::Css("li.others summary")).await;
    others.unwrap().click().await.unwrap();
    let path = browser.text("li.others .place").await;
    assert!(path.contains(".rs:"), "{path}");
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn all_frames_open_with_one_button_and_what_scrolls_takes_the_focus() {
    let base = serve();
    let browser = Browser::start().await;
    browser.client.goto(&base).await.unwrap();
    browser.shows("h1", MESSAGE).await;
    let closed = "return document.querySelectorAll('.others details:not([open])').length";
    let count = |value: serde_json::Value| value.as_u64().unwrap();
    let run = |script| browser.client.execute(script, Vec::new());
    assert!(count(run(closed).await.unwrap()) > 0);
    browser.click("#all-frames").await;
    browser.shows("#all-frames", "Fold frames").await;
    assert_eq!(count(run(closed).await.unwrap()), 0);
    browser.click("#all-frames").await;
    browser.shows("#all-frames", "All frames").await;
    assert!(count(run(closed).await.unwrap()) > 0);

    // By tabulator, until the focus is on lines of source.
    let focused = "return document.activeElement.className";
    for _ in 0..20 {
        browser.press(Key::Tab).await;
        if run(focused).await.unwrap() == "source" {
            browser.end().await;
            return;
        }
    }
    unreachable!("no source took the focus");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn the_request_is_copied_as_curl_without_its_secrets() {
    let base = serve();
    let browser = Browser::start().await;
    let page = format!("{base}/?q=it's&token=hunter2");
    browser.client.goto(&page).await.unwrap();
    browser.click("button[data-copy=as-curl]").await;
    browser.shows("button[data-copy=as-curl]", "Copied").await;
    let command = pasted(&browser, &base).await;
    assert!(command.starts_with("curl --globoff "), "{command}");
    assert!(!command.contains("hunter2"), "{command}");
    browser.end().await;
    // A shell takes it as it is, and the program fails as before.
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .output();
    let answer = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(answer.contains("Error ID"), "{command}: {answer}");
}

/// A query without a place to break once made the page eleven thousand pixels wide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn nothing_is_wider_than_the_screen() {
    let base = serve();
    let browser = Browser::start().await;
    let long = "abcdefghij".repeat(150);
    for (width, height) in [(390, 844), (1280, 800)] {
        browser.client.set_window_size(width, height).await.unwrap();
        browser
            .client
            .goto(&format!("{base}/?q={long}"))
            .await
            .unwrap();
        browser.shows("h1", MESSAGE).await;
        let wider = "for (const part of document.querySelectorAll('details')) part.open = true; \
                     return document.documentElement.scrollWidth - window.innerWidth";
        let wider = browser.client.execute(wider, Vec::new()).await.unwrap();
        assert!(wider.as_i64().unwrap() <= 0, "{wider} pixels at {width}");
    }
    browser.end().await;
}
