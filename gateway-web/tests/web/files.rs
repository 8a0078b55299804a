use std::io::Cursor;

use gateway_core::testing::Client;
use gateway_core::{Environ, Error, Reply};
use gateway_web::{Download, EnvironExt, ErrorPage, ErrorPages};
use tower_layer::Layer;

fn file(environ: &mut Environ) -> Result<Reply, Error> {
    let root = environ.get::<std::path::PathBuf>().unwrap().clone();
    environ.reply_file(root.join("cover.png"))
}

fn download(environ: &mut Environ) -> Result<Reply, Error> {
    let content = Download::new(Cursor::new("0123456789"), "a/b.csv")?;
    environ.download(content.etag("v1"))
}

#[test]
fn a_file_is_sent_with_conditions_and_ranges() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("cover.png"), "0123456789").unwrap();
    let client = Client::new(file);
    let get = |method: &str| {
        client
            .request(method.parse().unwrap(), "/")
            .extension(root.path().to_owned())
    };
    let whole = get("GET").send();
    whole
        .assert_status(200)
        .assert_text("0123456789")
        .assert_header("content-type", "image/png");
    let etag = whole.header("etag").unwrap();
    get("GET")
        .header("if-none-match", etag)
        .send()
        .assert_status(304);
    let part = get("GET").header("range", "bytes=2-4").send();
    part.assert_status(206)
        .assert_text("234")
        .assert_header("content-range", "bytes 2-4/10");
    let beyond = get("GET").header("range", "bytes=20-").send();
    beyond
        .assert_status(416)
        .assert_header("content-range", "bytes */10");
    get("HEAD")
        .send()
        .assert_header("content-length", "10")
        .assert_text("");
    // The answer to a form is whole, whatever the client has of the file.
    get("POST")
        .header("range", "bytes=2-4")
        .send()
        .assert_status(200)
        .assert_text("0123456789");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let client = Client::new(file);
    client
        .get("/")
        .extension(root.path().to_owned())
        .send()
        .assert_status(404);
    // Nor is a directory a file.
    std::fs::create_dir(root.path().join("cover.png")).unwrap();
    client
        .get("/")
        .extension(root.path().to_owned())
        .send()
        .assert_status(404);
}

#[test]
fn a_download_has_conditions_ranges_and_a_name() {
    let client = Client::new(download);
    let whole = client.get("/").send();
    whole
        .assert_status(200)
        .assert_text("0123456789")
        .assert_header("etag", "\"v1\"");
    whole.assert_header("content-disposition", "attachment; filename=\"b.csv\"");
    whole.assert_header("content-type", "text/csv; charset=utf-8");
    client
        .get("/")
        .header("if-none-match", "\"v1\"")
        .send()
        .assert_status(304);
    client
        .get("/")
        .header("range", "bytes=-3")
        .send()
        .assert_status(206)
        .assert_text("789");
    let stale = client
        .get("/")
        .header("range", "bytes=-3")
        .header("if-range", "\"v0\"");
    stale.send().assert_status(200);
    let several = client.get("/").header("range", "bytes=0-1, 8-9").send();
    assert!(
        several
            .header("content-type")
            .unwrap()
            .starts_with("multipart/byteranges")
    );
}

#[test]
fn any_name_is_one_that_a_client_can_save() {
    for (name, disposition) in [
        ("report.pdf", "attachment; filename=\"report.pdf\""),
        ("a \"b\".txt", "attachment; filename=\"a b.txt\""),
        ("../../x", "attachment; filename=\"x\""),
        (
            "a\r\nSet-Cookie: b=c",
            "attachment; filename=\"aSet-Cookie b=c\"",
        ),
        ("..", "attachment; filename=\"download\""),
        (
            "€.csv",
            "attachment; filename=\"___.csv\"; filename*=UTF-8''%E2%82%AC.csv",
        ),
        (
            "100%.csv",
            "attachment; filename=\"100_.csv\"; filename*=UTF-8''100%25.csv",
        ),
    ] {
        let mut environ = Environ::builder().build();
        let download = Download::new(Cursor::new("x"), name).unwrap();
        let response = environ.download(download).unwrap().into_response().unwrap();
        assert_eq!(
            response.headers()["content-disposition"],
            disposition,
            "{name:?}"
        );
        let _ = &mut environ;
    }
}

#[test]
fn a_download_may_be_shown() {
    let environ = Environ::builder().build();
    let download = Download::new(Cursor::new("x"), "a.pdf").unwrap().inline();
    let response = environ.download(download).unwrap().into_response().unwrap();
    assert!(!response.headers().contains_key("content-disposition"));
    assert_eq!(response.headers()["content-type"], "application/pdf");
}

#[test]
fn a_range_and_a_condition_that_cannot_be_get_the_page_of_the_site() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("cover.png"), "0123456789").unwrap();
    let pages =
        || ErrorPages::new(|page: &ErrorPage<'_>| format!("the site's {}", page.status().as_u16()));
    for client in [
        Client::new(pages().layer(file)),
        Client::new(pages().layer(download)),
    ] {
        let get = || client.get("/").extension(root.path().to_owned());
        let beyond = get().header("range", "bytes=20-").send();
        beyond
            .assert_status(416)
            .assert_text("the site's 416")
            .assert_header("content-range", "bytes */10");
        let another = get().header("if-match", "\"another\"").send();
        another.assert_status(412).assert_text("the site's 412");
    }
}
