//! What an answer says of itself: a site's error pages may replace what is bare.

mod common;

use std::io;
use std::path::Path;

use common::Site;
use gateway_core::FailedBy;
use http::{Method, Request};
use http_body_util::Empty;
use middleware_static::source::{File, Node, Source, Wait};
use middleware_static::{StaticFiles, StaticLayer};
use tower::{Layer, ServiceExt, service_fn};

async fn ask(files: &StaticFiles, method: Method, path: &str, range: &str) -> (u16, Mark) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("range", range)
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = files.clone().oneshot(request).await.unwrap();
    let mark = mark(response.extensions());
    (response.status().as_u16(), mark)
}

#[derive(Debug, PartialEq, Eq)]
enum Mark {
    None,
    Bare,
    /// With what the error says.
    With(String),
}

fn mark(extensions: &http::Extensions) -> Mark {
    match FailedBy::of(extensions) {
        None => Mark::None,
        Some(failed_by) => {
            assert!(failed_by.is_bare());
            let error = failed_by.error();
            error.map_or(Mark::Bare, |error| Mark::With(error.to_string()))
        }
    }
}

#[tokio::test]
async fn each_bare_answer_says_so_and_a_file_does_not() {
    let site = Site::with(&[("a.txt", "abc"), ("d/x", "")]);
    common::settle().await;
    for (way, files) in site.every_way() {
        // Twice: what comes from the cache says the same.
        for _ in 0..2 {
            for (method, path, range, status, expected) in [
                (Method::GET, "/a.txt", "", 200, Mark::None),
                (Method::GET, "/a.txt", "bytes=0-1", 206, Mark::None),
                (Method::GET, "/a.txt", "bytes=9-", 416, Mark::Bare),
                (Method::GET, "/none", "", 404, Mark::Bare),
                (Method::HEAD, "/none", "", 404, Mark::Bare),
                (Method::POST, "/a.txt", "", 405, Mark::Bare),
                (Method::OPTIONS, "/a.txt", "", 204, Mark::None),
                (Method::GET, "/%zz", "", 400, Mark::Bare),
                (Method::GET, "/d", "", 301, Mark::None),
                (Method::GET, "/%61.txt", "", 308, Mark::None),
            ] {
                let answer = ask(&files, method, path, range).await;
                assert_eq!(answer, (status, expected), "{way} {path} {range}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_of_a_404_is_the_programs_own() {
    let site = Site::with(&[("404.html", "<p>Not here.")]);
    for (way, files) in site.every_way() {
        let files = files.not_found_page("404.html");
        let answer = ask(&files, Method::GET, "/none", "").await;
        assert_eq!(answer, (404, Mark::None), "{way}");
    }
}

/// A source that fails in the way that the name says.
struct Failing;

impl Source for Failing {
    fn open(&self, path: &Path, _: Wait) -> io::Result<Node> {
        let kind = match path.to_str().unwrap_or_default() {
            "denied" => io::ErrorKind::PermissionDenied,
            "busy" => io::ErrorKind::ResourceBusy,
            "missing" => io::ErrorKind::NotFound,
            "broken" => io::ErrorKind::InvalidData,
            _ => return Ok(Node::File(File::from_bytes("file"))),
        };
        Err(io::Error::new(kind, "as the disk says"))
    }
}

#[tokio::test]
async fn the_error_of_the_file_system_is_behind_its_answer() {
    let files = StaticFiles::from_source(Failing);
    let with = || Mark::With("as the disk says".to_owned());
    for (path, status, expected) in [
        ("/file", 200, Mark::None),
        ("/denied", 403, with()),
        ("/busy", 503, with()),
        ("/missing", 404, Mark::Bare),
        ("/broken", 500, with()),
    ] {
        let answer = ask(&files, Method::GET, path, "").await;
        assert_eq!(answer, (status, expected), "{path}");
    }
}

#[tokio::test]
async fn a_layer_says_the_same() {
    let site = Site::with(&[("a.txt", "abc")]);
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, io::Error>(http::Response::new(Empty::<bytes::Bytes>::new()))
    });
    let service = StaticLayer::new("/public", site.root())
        .unwrap()
        .layer(inner);
    for (path, expected) in [
        ("/public/a.txt", Mark::None),
        ("/public/none", Mark::Bare),
        ("/elsewhere", Mark::None),
    ] {
        let request = Request::get(path).body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(mark(response.extensions()), expected, "{path}");
    }
}
