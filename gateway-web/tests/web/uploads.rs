use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_core::testing::Client;
use gateway_core::{Body, Environ, Error, Input, Reply};
use gateway_web::multipart::MultipartError;
use gateway_web::testing::{Browser, MultipartForm};
use gateway_web::{EnvironExt, UploadLimits};
use proptest::prelude::*;

/// Name, file name and content of a part.
type Seen = (String, Option<String>, String);

fn environ(body: Body) -> Environ {
    Environ::builder()
        .method("POST")
        .header("content-type", "multipart/form-data; boundary=X")
        .body(body)
        .build()
}

fn read(environ: &mut Environ, limits: UploadLimits) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::new();
    for part in environ.multipart(limits)? {
        let mut part = part?;
        let mut content = String::new();
        part.read_to_string(&mut content)?;
        seen.push((part.name().to_owned(), part.file_name(), content));
    }
    Ok(seen)
}

fn read_text(body: impl Into<Body>) -> Result<Vec<Seen>, Error> {
    read(&mut environ(body.into()), UploadLimits::default())
}

fn part(name: &str, content: &str) -> String {
    format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

fn field(name: &str, content: &str) -> Seen {
    (name.to_owned(), None, content.to_owned())
}

#[test]
fn parts_come_in_order_with_their_names_and_content() {
    fn site(environ: &mut Environ) -> Result<Reply, Error> {
        Ok(Reply::text(format!(
            "{:?}",
            read(environ, UploadLimits::default())?
        )))
    }
    let form = MultipartForm::new()
        .field("title", "Moby-Dick; or, \"The Whale\"\r\n")
        .file(
            "cover",
            "C:\\covers\\moby \"dick\".png",
            "image/png",
            "PNG\r\n--\r\n",
        )
        .field("title", "")
        .file("none", "", "application/octet-stream", "");
    let response = Browser::new(Client::new(site))
        .post("/")
        .multipart(form)
        .send();
    response.assert_text(concat!(
        r#"[("title", None, "Moby-Dick; or, \"The Whale\"\r\n"), "#,
        r#"("cover", Some("moby dick.png"), "PNG\r\n--\r\n"), ("title", None, ""), ("none", None, "")]"#
    ));
}

#[test]
fn what_is_not_read_is_passed_over() {
    let body = part("a", &"x".repeat(200_000)) + &part("b", "2") + "--X--";
    let mut environ = environ(body.into());
    let names: Vec<_> = environ
        .multipart(UploadLimits::default())
        .unwrap()
        .map(|part| part.unwrap().name().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_part_cannot_be_read_when_the_next_was_asked_for() {
    let mut environ = environ((part("a", "1") + &part("b", "2") + "--X--").into());
    let mut parts = environ.multipart(UploadLimits::default()).unwrap();
    let mut first = parts.next().unwrap().unwrap();
    let second = parts.next().unwrap().unwrap();
    assert!(first.read(&mut [0; 8]).is_err());
    assert_eq!(second.text().unwrap(), "2");
    assert!(parts.next().is_none() && parts.next().is_none());
}

#[test]
fn what_stands_around_the_parts_is_ignored() {
    let body = format!("preamble\r\n{}--X--\r\nepilogue\r\n--X\r\n", part("a", "1"));
    assert_eq!(read_text(body).unwrap(), [field("a", "1")]);
    assert_eq!(read_text("--X--").unwrap(), []);
}

#[test]
fn what_looks_like_a_boundary_and_is_none_is_content() {
    for content in [
        "\r\n--Y", "--X", "\r\n--", "\r\n-X", "\n--X", "\r--X\r", "-\r\n-",
    ] {
        let body = part("a", content) + "--X--\r\n";
        assert_eq!(
            read_text(body).unwrap(),
            [field("a", content)],
            "{content:?}"
        );
    }
}

#[test]
fn a_multipart_inside_of_a_part_is_its_content() {
    let inner = "--Y\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--Y--\r\n";
    let head = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=Y\r\n\r\n";
    let body = format!("{head}{inner}\r\n--X--\r\n");
    assert_eq!(read_text(body).unwrap(), [field("a", inner)]);
}

#[test]
fn a_malformed_upload_is_the_clients_fault() {
    let head = "Content-Disposition: form-data; name=\"a\"\r\n";
    for body in [
        String::new(),
        "no boundary at all".to_owned(),
        "--".to_owned(),
        "--X".to_owned(),
        "--X\r\n".to_owned(),
        format!("--X\r\n{head}"),
        format!("--X\r\n{head}\r\n"),
        format!("--X\r\n{head}\r\ncontent"),
        format!("--X\r\n{head}\r\ncontent\r\n--X"),
        format!("--X\r\n{head}\r\ncontent\r\n--Xtra\r\n"),
        format!("--X\r\n\r\n{head}\r\ncontent\r\n--X--"),
        "--X\r\nContent-Type: text/plain\r\n\r\nno name\r\n--X--".to_owned(),
        "--X\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--X--".to_owned(),
        format!("--X\r\n{head}Content-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--X--"),
        format!("--X\r\n: \0\r\n{head}\r\n1\r\n--X--"),
        format!("--X\r\n{head}{}\r\n1\r\n--X--", "x: y\r\n".repeat(100)),
        format!("--X\r\n{head}x: {}\r\n\r\n1\r\n--X--", "y".repeat(100_000)),
        format!("{}\r\n--X--", "preamble".repeat(100_000)),
    ] {
        let error = read_text(body.clone()).unwrap_err();
        let start: String = body.chars().take(100).collect();
        assert_eq!(error.status(), 400, "{start:?}: {error}");
    }
}

#[test]
fn a_boundary_is_one_to_seventy_characters() {
    let status = |content_type: &str| {
        let mut environ = Environ::builder()
            .method("POST")
            .header("content-type", content_type)
            .body("--X--")
            .build();
        read(&mut environ, UploadLimits::default()).map_err(|error| error.status().as_u16())
    };
    assert_eq!(status("multipart/form-data; boundary=X"), Ok(vec![]));
    assert_eq!(status("Multipart/Form-Data; boundary=\"X\""), Ok(vec![]));
    assert_eq!(status("multipart/form-data"), Err(400));
    assert_eq!(status("multipart/form-data; boundary="), Err(400));
    assert_eq!(status("multipart/form-data; boundary=\"\""), Err(400));
    assert_eq!(
        status(&format!("multipart/form-data; boundary={}", "X".repeat(71))),
        Err(400)
    );
    assert_eq!(status("multipart/mixed; boundary=X"), Err(415));
    assert_eq!(status("application/x-www-form-urlencoded"), Err(415));
    assert_eq!(status("text/plain"), Err(415));
}

#[test]
fn what_is_too_large_is_refused() {
    let limits = UploadLimits::default()
        .parts(3)
        .fields_of(10)
        .files_of(20)
        .whole(1000);
    let file = |content: &str| {
        let head = "--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
        format!("{head}{content}\r\n")
    };
    let status = |body: String| {
        read(&mut environ((body + "--X--").into()), limits).map_err(|error| {
            assert!(error.to_string().len() < 200, "{error}");
            error.status().as_u16()
        })
    };
    assert_eq!(
        status(part("a", "0123456789") + &file(&"x".repeat(20))).map(|seen| seen.len()),
        Ok(2)
    );
    assert_eq!(status(part("a", "0123456789x")), Err(413));
    assert_eq!(status(file(&"x".repeat(21))), Err(413));
    assert_eq!(status(part("a", "").repeat(4)), Err(413));
    let padded = "--X\r\nx: ".to_owned() + &"y".repeat(1000);
    assert_eq!(status(padded), Err(413));
    // Also where nobody reads the part.
    let mut environ = environ((part("a", &"x".repeat(2000)) + "--X--").into());
    let last = environ.multipart(limits).unwrap().last().unwrap();
    assert_eq!(last.unwrap_err().status(), 413);
}

#[test]
fn a_hundred_thousand_parts_are_refused_at_the_thousand_and_first() {
    let mut environ = environ(Body::chunks((0..100_000).map(|_| part("a", "1"))));
    let mut seen = 0;
    let mut failed = None;
    for part in environ.multipart(UploadLimits::default()).unwrap() {
        match part {
            Ok(_) => seen += 1,
            Err(error) => failed = Some(error),
        }
    }
    let failed = failed.unwrap();
    assert_eq!((seen, failed.status().as_u16()), (1000, 413));
    assert!(
        failed
            .cause()
            .downcast_ref::<MultipartError>()
            .unwrap()
            .is_too_large()
    );
}

#[test]
fn it_fails_again_in_the_same_way() {
    let limits = UploadLimits::default().fields_of(10);
    let mut environ = environ((part("a", &"x".repeat(50)) + "--X--").into());
    let mut parts = environ.multipart(limits).unwrap();
    let mut first = parts.next().unwrap().unwrap();
    for _ in 0..2 {
        let error = io::copy(&mut first, &mut io::sink()).unwrap_err();
        assert_eq!(Error::from(error).status(), 413);
    }
    assert_eq!(parts.next().unwrap().unwrap_err().status(), 413);
    assert!(parts.next().is_none());
}

#[test]
fn a_client_that_stalls_is_answered_with_408_and_one_that_breaks_off_with_400() {
    struct Stalls;
    impl http_body::Body for Stalls {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
            Poll::Pending
        }
    }
    let (parts, ()) = http::Request::post("/")
        .header("content-type", "multipart/form-data; boundary=X")
        .body(())
        .unwrap()
        .into_parts();
    let input = Input::from_body(Stalls).with_stall_timeout(Duration::from_millis(10));
    let error = read(&mut Environ::new(parts, input), UploadLimits::default()).unwrap_err();
    assert_eq!(error.status(), 408);

    let broken = Body::try_chunks([Ok(part("a", "1")), Err(io::Error::other("reset"))]);
    let mut environ = environ(broken);
    let mut parts = environ.multipart(UploadLimits::default()).unwrap();
    let mut first = parts.next().unwrap().unwrap();
    let error = first.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(Error::from(error).status(), 400);
    assert_eq!(parts.next().unwrap().unwrap_err().status(), 400);
}

#[test]
fn a_whole_upload_has_its_files_in_temporary_ones() {
    let kept = tempfile::tempdir().unwrap();
    let form = MultipartForm::new()
        .field("title", "Moby-Dick")
        .file("cover", "../moby.png", "image/png", "PNG")
        .file("back", "back.png", "image/png", "")
        .file("none", "", "application/octet-stream", "");
    let (content_type, body) = form.finish();
    let mut environ = Environ::builder()
        .method("POST")
        .header("content-type", content_type)
        .body(body)
        .build();
    let mut upload = environ.upload(UploadLimits::default()).unwrap();
    assert_eq!(upload.form().get("title"), Some("Moby-Dick"));
    let names: Vec<_> = upload
        .files()
        .map(|file| (file.name(), file.len()))
        .collect();
    assert_eq!(names, [("cover", 3), ("back", 0)]);
    assert!(upload.file("none").is_none());
    let cover = upload.take_file("cover").unwrap();
    assert_eq!(cover.file_name(), Some("moby.png"));
    let mut content = String::new();
    cover.open().unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "PNG");
    cover.persist(kept.path().join("1.png")).unwrap();
    assert_eq!(std::fs::read(kept.path().join("1.png")).unwrap(), b"PNG");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn however_it_is_cut_an_upload_is_the_same(
        contents in prop::collection::vec("[\r\n\\-Xa]{0,40}", 0..5),
        cuts in prop::collection::vec(1_usize..30, 1..20),
    ) {
        // A line that begins with the boundary is one.
        let contents: Vec<_> = contents
            .into_iter()
            .map(|content| content.replace("--X", "--Y"))
            .collect();
        let body: String = contents.iter().map(|content| part("a", content)).collect();
        let body = body + "--X--\r\n";
        let expected: Vec<_> = contents.iter().map(|content| field("a", content)).collect();
        let mut rest = Bytes::from(body);
        let mut sizes = cuts.into_iter().cycle();
        let chunks: Vec<_> = std::iter::from_fn(|| {
            let size = sizes.next()?.min(rest.len());
            (size > 0).then(|| rest.split_to(size))
        })
        .collect();
        prop_assert_eq!(read_text(Body::chunks(chunks)).unwrap(), expected);
    }

    #[test]
    fn no_body_panics_or_is_our_fault(body in "(--X|\r\n|-|:|;|\"|name=|filename=|Content-Disposition: form-data|\\PC){0,60}") {
        match read_text(body) {
            Ok(_) => {}
            Err(error) => prop_assert!(error.status().is_client_error() || error.cause().is::<io::Error>()),
        }
    }
}
