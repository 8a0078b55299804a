use std::convert::Infallible;

use gateway_core::testing::Client;
use gateway_core::{Application, Body, Environ, Error, FailedBy, IntoReply, Reply};
use gateway_web::testing::{Browser, ResponseExt};
use gateway_web::{ErrorPage, ErrorPages};
use http::{Request, Response, StatusCode};
use tower_layer::Layer;

fn page(page: &ErrorPage<'_>) -> Reply {
    let error = page.error().map(ToString::to_string).unwrap_or_default();
    let place = format!(
        "{} {}|{}",
        page.method(),
        page.script_name(),
        page.path_info()
    );
    Reply::html(format!("{} {place} {error}", page.reason())).header("x-page", "1")
}

/// A component that answers with no more than a status.
fn component(status: u16) -> impl Fn(&mut Environ) -> Response<Body> + Send + Sync + 'static {
    move |_| {
        let response = Response::builder()
            .status(status)
            .header("allow", "GET")
            .header("retry-after", "7")
            .header("content-type", "text/plain")
            .header("content-length", "4")
            .header("content-encoding", "x")
            .header("content-language", "en")
            .header("etag", "\"a\"")
            .header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("accept-ranges", "bytes")
            .header("vary", "origin");
        FailedBy::bare().attach(response.body(Body::from("bare")).unwrap())
    }
}

#[test]
fn a_bare_answer_gets_the_page_and_keeps_its_status_and_fields() {
    let client =
        Client::new(ErrorPages::new(page).layer(gateway_core::application(component(405))));
    let response = client.post("/a/b?c").header("accept", "text/html").send();
    response
        .assert_status(405)
        .assert_text("Method Not Allowed POST |/a/b ");
    response
        .assert_header("allow", "GET")
        .assert_header("retry-after", "7")
        .assert_header("content-type", "text/html; charset=utf-8")
        .assert_header("content-length", "30")
        .assert_header("x-page", "1");
    for gone in [
        "content-encoding",
        "content-language",
        "etag",
        "last-modified",
        "accept-ranges",
    ] {
        response.assert_no_header(gone);
    }
    let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["origin", "accept"]);
}

#[test]
fn the_client_has_its_error_as_it_asked_for_it() {
    let client =
        Client::new(ErrorPages::new(page).layer(gateway_core::application(component(404))));
    for (accept, content_type) in [
        ("*/*", "text/html; charset=utf-8"),
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/html; charset=utf-8",
        ),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        (
            "application/json, text/html;q=0.9",
            "application/problem+json",
        ),
        ("image/png", "text/plain"),
        ("text/plain", "text/plain"),
    ] {
        let response = client.get("/").header("accept", accept).send();
        response
            .assert_status(404)
            .assert_header("content-type", content_type);
    }
    let problem = client.get("/").header("accept", "application/json").send();
    let problem: serde_json::Value = problem.json();
    assert_eq!(
        problem,
        serde_json::json!({ "status": 404, "title": "Not Found" })
    );
    client
        .get("/")
        .send()
        .assert_header("content-type", "text/html; charset=utf-8");
}

#[test]
fn head_gets_the_head_of_the_page() {
    let site = ErrorPages::new(page).layer(gateway_core::application(component(404)));
    let mut environ = Environ::builder().method("HEAD").uri("/").build();
    let response = site.respond(&mut environ).unwrap();
    assert_eq!(response.headers()["content-length"], "18");
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    assert!(response.into_body().is_empty());
}

#[test]
fn what_is_not_bare_or_no_error_is_sent_as_it_is() {
    fn site(environ: &mut Environ) -> Response<Body> {
        let response = Reply::text("own").into_response().unwrap();
        match environ.raw_path_info() {
            "/developer" => {
                let (mut parts, body) = response.into_parts();
                parts.status = StatusCode::INTERNAL_SERVER_ERROR;
                FailedBy::new(std::fmt::Error).attach(Response::from_parts(parts, body))
            }
            "/found" => FailedBy::bare().attach(response),
            _ => (StatusCode::NOT_FOUND, Reply::text("own"))
                .into_reply()
                .unwrap(),
        }
    }
    let client = Client::new(ErrorPages::new(page).layer(site));
    for (path, status) in [("/developer", 500), ("/found", 200), ("/missing", 404)] {
        let response = client.get(path).expecting(status).send();
        response.assert_text("own").assert_no_header("vary");
    }
}

#[test]
fn errors_of_an_application_get_the_page_and_are_still_found_further_out() {
    fn view(_: &mut Environ) -> Result<Reply, Error> {
        let _: u32 = "seven".parse()?;
        Ok(Reply::text(""))
    }
    let site = ErrorPages::new(page).layer(view);
    let response = site.respond(&mut Environ::builder().build()).unwrap();
    assert_eq!(response.status(), 500);
    let failed_by = FailedBy::of(response.extensions()).unwrap();
    assert!(
        failed_by
            .location()
            .unwrap()
            .file()
            .ends_with("error_pages.rs")
    );
    assert!(failed_by.error().is_some());
}

#[test]
fn a_page_that_fails_leaves_what_was_there() {
    let failing =
        ErrorPages::new(|_: &ErrorPage<'_>| -> Result<Reply, Error> { Err(Error::msg("page")) });
    let site = failing.layer(gateway_core::application(component(404)));
    let response = site.respond(&mut Environ::builder().build()).unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain");
    let failed_by = FailedBy::of(response.extensions()).unwrap();
    assert_eq!(failed_by.error().unwrap().to_string(), "page");
    assert_eq!(response.into_body().into_bytes().unwrap(), "bare");
}

#[test]
fn around_a_service_below_a_mount_it_is_the_same() {
    let service = gateway_core::application(component(404))
        .into_inline_service()
        .answer_errors();
    let service = ErrorPages::new(page).layer(service);
    let service = gateway_core::mount("/shop", service).unwrap();
    let browser = Browser::new(Client::of_service(service));
    browser
        .get("/shop/x")
        .expecting(404)
        .send()
        .assert_text("Not Found GET /shop|/x ");
}

#[test]
fn a_body_that_is_not_replaced_passes_through() {
    let service = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::from("inner")))
    });
    let client = Client::of_service(ErrorPages::new(page).layer(service));
    client.get("/").send().assert_text("inner");
}

/// The site's pages around the layer that catches panics, around views of which one answers with a bare 500 itself.
fn stack(exceptions: middleware_exceptions::ExceptionsLayer) -> Browser {
    fn views(environ: &mut Environ) -> Result<Response<Body>, Error> {
        match environ.raw_path_info() {
            "/panic" => panic!("secret"),
            "/error" => Err(Error::msg("secret")),
            "/missing" => Err(Error::new(StatusCode::NOT_FOUND, "secret")),
            _ => Ok(component(500)(environ)),
        }
    }
    let service = exceptions
        .silence_default_hook()
        .layer(views.into_inline_service());
    let pages = ErrorPages::new(|page: &ErrorPage<'_>| Reply::html(page.reason()));
    Browser::new(Client::of_service(pages.layer(service)))
}

#[test]
fn in_production_panics_and_errors_have_the_page_of_the_site() {
    let browser = stack(middleware_exceptions::ExceptionsLayer::new());
    for path in ["/panic", "/error", "/component"] {
        let response = browser.get(path).expecting(500).send();
        response.assert_text("Internal Server Error");
        response.assert_header("content-type", "text/html; charset=utf-8");
    }
    browser
        .get("/missing")
        .expecting(404)
        .send()
        .assert_text("Not Found");
}

#[test]
fn the_page_of_a_failure_tells_its_id_in_the_log() {
    let logged = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&logged);
    let exceptions = middleware_exceptions::ExceptionsLayer::new()
        .silence_default_hook()
        .on_report(move |report| log.lock().unwrap().push(report.id().to_string()));
    let views = |environ: &mut Environ| match environ.raw_path_info() {
        "/panic" => panic!("secret"),
        "/error" => Err(Error::msg("secret")),
        // One that became a response before the layer saw it.
        "/answered" => Ok(FailedBy::bare_with(Error::msg("secret"))
            .attach(Reply::status(StatusCode::INTERNAL_SERVER_ERROR).into_response()?)),
        _ => Err(Error::new(StatusCode::NOT_FOUND, "no such page")),
    };
    let views = gateway_core::application(views).into_inline_service();
    let pages = ErrorPages::new(|page: &ErrorPage<'_>| format!("{:?}", page.id()));
    let client = Client::of_service(pages.layer(exceptions.layer(views)));
    for path in ["/panic", "/error", "/answered"] {
        let page = client.get(path).expecting(500).send().text();
        let id = logged.lock().unwrap().pop().unwrap();
        assert_eq!(page, format!("Some({id:?})"), "{path}");
        let json = client.get(path).header("accept", "application/json");
        let json: serde_json::Value = json.expecting(500).send().json();
        assert_eq!(json["id"], logged.lock().unwrap().pop().unwrap(), "{path}");
    }
    client
        .get("/missing")
        .expecting(404)
        .send()
        .assert_text("None");
}

#[test]
fn where_a_developer_may_see_details_they_are_seen_first() {
    let exceptions = middleware_exceptions::ExceptionsLayer::new()
        .development_in_release()
        .show_details_if(|_| true);
    let browser = stack(exceptions);
    for path in ["/panic", "/error"] {
        for accept in ["text/html", "text/plain", "application/json"] {
            let response = browser
                .get(path)
                .header("accept", accept)
                .expecting(500)
                .send();
            response.assert_contains("secret");
        }
    }
    browser
        .get("/missing")
        .expecting(404)
        .send()
        .assert_text("Not Found");
}
