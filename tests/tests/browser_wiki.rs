//! The wiki in a real browser: Debian's chromium by its chromedriver.
//!
//! `cargo test -p conformance --test browser_wiki -- --ignored`

mod browser;

use browser::Browser;
use fantoccini::Locator;
use fantoccini::key::Key;
use gateway_core::paths::Prefix;
use gateway_core::{Application, Body, Environ, Reply, application};
use gateway_server::http::Server;
use http::Response;
use tempfile::TempDir;
use tower::ServiceBuilder;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use wiki::hosts::Hosts;
use wiki::stack::{Settings, stack};

/// A wiki on a port of its own, mounted at `mount`.
async fn wiki_at(mount: &str) -> (String, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        data: dir.path().to_owned(),
        mount: Prefix::new(mount).unwrap(),
        development: true,
    };
    let server = Server::bind("127.0.0.1:0").unwrap();
    let hosts = Hosts::new("127.0.0.1:0", &[]).unwrap();
    let service = ServiceBuilder::new()
        .layer(ValidateRequestHeaderLayer::custom(hosts))
        .map_response(|response: Response<_>| response.map(Body::new))
        .service(stack(settings).unwrap());
    let base = format!("http://{}{mount}", server.local_addr().unwrap());
    tokio::spawn(server.serve(service));
    (base, dir)
}

/// A PNG of one pixel.
const RED_DOT: &[u8] = &[
    0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xDE, 0, 0, 0, 12, b'I', b'D', b'A', b'T', 8, 0xD7,
    0x63, 0xF8, 0xCF, 0xC0, 0, 0, 3, 1, 1, 0, 0x18, 0xDD, 0x8D, 0xB0, 0, 0, 0, 0, b'I', b'E', b'N',
    b'D', 0xAE, 0x42, 0x60, 0x82,
];

/// Everything a person does, in the order a person does it.
async fn visit(mount: &str) {
    let (base, _dir) = wiki_at(mount).await;
    let browser = Browser::start().await;
    let page = &browser.client;

    // The front page, styled, with a red link.
    page.goto(&format!("{base}/")).await.unwrap();
    browser.shows("h1", "Front page").await;
    assert_eq!(browser.style("h1", "font-weight").await, "700");
    let first_style = browser.style("body", "background-color").await;
    assert_ne!(
        first_style, "rgba(0, 0, 0, 0)",
        "the style sheet has arrived"
    );

    // Following a red link and writing the page.
    browser.click("a.missing").await;
    browser.shows("h1", "Write A page for you").await;
    browser
        .fill("textarea[name=text]", "Mine, and [[Tea]].")
        .await;
    browser.fill("input[name=comment]", "I was here").await;
    browser.click("button[value=preview]").await;
    browser.shows(".preview article", "Mine, and Tea.").await;
    browser.click("button[value=save]").await;
    browser
        .is_at(&format!("{mount}/A%20page%20for%20you"))
        .await;
    browser.shows("article", "Mine, and Tea.").await;

    // Creating a page from its address, script and all.
    page.goto(&format!("{base}/Tea%20%3Cscript%3E"))
        .await
        .unwrap();
    browser.click(".blank a.button").await;
    browser
        .fill(
            "textarea[name=text]",
            "one\n<script>document.title = 'owned'</script>\nthree",
        )
        .await;
    browser.click("button[value=save]").await;
    browser
        .shows(
            "article",
            "one\n<script>document.title = 'owned'</script>\nthree",
        )
        .await;
    assert_eq!(page.title().await.unwrap(), "Tea <script> · Wiki");

    // Editing in two tabs: the second is shown both, and loses nothing.
    let edit = format!("{base}/Tea%20%3Cscript%3E/edit");
    page.goto(&edit).await.unwrap();
    let first = page.window().await.unwrap();
    let second = page.new_window(true).await.unwrap().handle;
    page.switch_to_window(second).await.unwrap();
    page.goto(&edit).await.unwrap();
    browser.fill("textarea[name=text]", "one\nTWO\nthree").await;
    browser.click("button[value=save]").await;
    page.switch_to_window(first).await.unwrap();
    browser.fill("textarea[name=text]", "one\ntwo\nTHREE").await;
    browser.click("button[value=save]").await;
    browser.shows("h1", "Two edits of Tea <script>").await;
    browser.holds("textarea.theirs", "one\nTWO\nthree").await;
    browser
        .holds("textarea[name=text]", "one\ntwo\nTHREE")
        .await;
    browser.fill("textarea[name=text]", "one\nTWO\nTHREE").await;
    browser.click("button[value=save]").await;
    browser.shows("article", "one TWO THREE").await;

    // History, comparison, revert.
    browser.follow("History").await;
    browser.click("input[name=from][value='1']").await;
    browser.click("#compare button").await;
    browser.shows(".diff .add .text", "TWO").await;
    browser.follow("History").await;
    browser
        .click("button[aria-label='Revert to revision 2']")
        .await;
    browser.shows("article", "one TWO three").await;

    // Searching with the keyboard alone.
    let field = page.find(Locator::Css("input[name=q]")).await.unwrap();
    field.send_keys("two").await.unwrap();
    field
        .send_keys(&char::from(Key::Enter).to_string())
        .await
        .unwrap();
    browser.wait_for(".hits").await;
    browser.shows(".hits h2", "Tea <script>").await;
    browser.shows(".hits mark", "TWO").await;

    // Where it is, told live.
    browser.follow("How this page was served").await;
    browser.shows("#script-name", mount).await;
    assert!(browser.text("#gateway").await.starts_with("HTTP"));

    // A picture, added and shown; the page under another name.
    page.goto(&format!("{base}/Keyboard/files")).await.unwrap();
    let picture = TempDir::new().unwrap();
    let file = picture.path().join("a red dot.png");
    std::fs::write(&file, RED_DOT).unwrap();
    let field = page.find(Locator::Css("input[type=file]")).await.unwrap();
    field.send_keys(file.to_str().unwrap()).await.unwrap();
    browser.click("form[enctype] button").await;
    browser.shows(".changes a", "a red dot.png").await;
    browser.follow("Edit").await;
    browser
        .fill(
            "textarea[name=text]",
            "![dot](<Keyboard/files/a red dot.png>)\n\n# A heading\n\nhttps://example.org and a note[^1].\n\n\
             | a | b |\n|---|--:|\n| 1 | 2 |\n\n[^1]: At the end.",
        )
        .await;
    browser.fill("input[name=author]", "Zoë").await;
    browser.click("button[value=save]").await;
    browser.shows(".colophon bdi", "Zoë").await;
    let loaded = "return document.querySelector('article img').naturalWidth";
    let loaded = page.execute(loaded, Vec::new()).await.unwrap();
    assert_eq!(loaded.as_i64(), Some(1), "the picture is shown");
    assert_eq!(browser.style("td:last-child", "text-align").await, "right");
    browser.click("h1 .anchor").await;
    browser.is_at(&format!("{mount}/Keyboard")).await;
    browser.follow("1").await;
    browser.shows(".footnotes li", "At the end. ↩").await;
    browser.follow("Rename or delete").await;
    browser.fill("input[name=to]", "Keys").await;
    browser.click("form[action$=rename] button").await;
    browser.is_at(&format!("{mount}/Keys")).await;
    page.goto(&format!("{base}/keyboard")).await.unwrap();
    browser.is_at(&format!("{mount}/Keys")).await;

    // Deleted, and brought back.
    browser.follow("Rename or delete").await;
    browser.fill("#why-delete", "by mistake").await;
    browser.click("form[action$=delete] button").await;
    browser.shows(".blank q", "Deleted: by mistake").await;
    browser.click(".blank button").await;
    browser.shows(".footnotes li", "At the end. ↩").await;

    // The error page of developers.
    page.goto(&format!("{base}/")).await.unwrap();
    browser.follow("Break something").await;
    browser.shows("h1", "attempt to divide by zero").await;
    let shown = browser.text("body").await;
    assert!(
        shown.contains("average") && shown.contains("broken.rs"),
        "{shown}"
    );

    // On a telephone nothing is wider than the screen.
    page.set_window_size(390, 844).await.unwrap();
    for path in [
        "/",
        "/Writing%20pages",
        "/Keys/edit",
        "/Keys/history",
        "/Keys/files",
        "/Keys/rename",
        "/Keys",
        "/recent",
        "/How%20this%20page%20was%20served",
    ] {
        page.goto(&format!("{base}{path}")).await.unwrap();
        let wider = "return document.documentElement.scrollWidth - window.innerWidth";
        let wider = page.execute(wider, Vec::new()).await.unwrap();
        assert!(
            wider.as_i64().unwrap() <= 0,
            "{path} is {wider} pixels too wide"
        );
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn a_person_creates_edits_conflicts_searches_and_breaks_below_a_prefix() {
    visit("/wiki").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn a_person_creates_edits_conflicts_searches_and_breaks_at_the_root() {
    visit("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn the_keyboard_reaches_everything() {
    let (base, _dir) = wiki_at("/wiki").await;
    let browser = Browser::start().await;
    browser
        .client
        .goto(&format!("{base}/Keyboard"))
        .await
        .unwrap();
    // The first Tab offers the way past the header.
    browser.press(Key::Tab).await;
    assert_eq!(browser.focused().await, "Skip to the text");
    let mut reached = Vec::new();
    for _ in 0..9 {
        browser.press(Key::Tab).await;
        reached.push(browser.focused().await);
    }
    for label in [
        "Recent changes",
        "All pages",
        "Search",
        "Read",
        "Edit",
        "History",
        "Files",
    ] {
        assert!(
            reached.iter().any(|name| name == label),
            "{label} is not among {reached:?}"
        );
    }
    browser.end().await;
}

/// Another site's page sends a form here, and then has its own name lead here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn another_site_neither_writes_nor_reads() {
    let (base, _dir) = wiki_at("/wiki").await;
    let browser = Browser::start_with(&["--host-resolver-rules=MAP evil.example 127.0.0.1"]).await;
    let page = &browser.client;

    let form = format!(
        "<form method=post action={base}/Tea/edit><input name=text value=forged><button>Win</button></form>"
    );
    let evil = Server::bind("127.0.0.1:0").unwrap();
    let port = evil.local_addr().unwrap().port();
    let answer = move |_: &mut Environ| Reply::html(form.clone());
    tokio::spawn(evil.serve(application(answer).into_service()));
    page.goto(&format!("http://evil.example:{port}/"))
        .await
        .unwrap();
    browser.click("button").await;
    browser.shows("h1", "Refused").await;
    page.goto(&format!("{base}/Tea")).await.unwrap();
    browser.shows("h1", "Tea").await;
    assert!(!page.source().await.unwrap().contains("forged"));

    let (_, wiki) = base.split_once("127.0.0.1").unwrap();
    page.goto(&format!("http://evil.example{wiki}/Front%20page"))
        .await
        .unwrap();
    let source = page.source().await.unwrap();
    assert!(source.contains("421 Misdirected Request"), "{source}");
    browser.end().await;
}
