//! Errors that an axum handler turned into a response, before any layer could see them.

mod support;

use std::fmt;

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::get,
};
use gateway_core::{Error, FailedBy};
use http::{HeaderMap, Request, StatusCode, header};
use middleware_exceptions::ExceptionsLayer;
use support::{Log, Taken, layer, take};
use tower::{Layer, ServiceBuilder, ServiceExt as _};
use tower_http::{map_response_body::MapResponseBodyLayer, timeout::ResponseBodyTimeoutLayer};

/// As programs have it: an enum, and one line in its `into_response`.
#[derive(Debug)]
struct AppError(std::num::ParseIntError);

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the price is no number")
    }
}

impl std::error::Error for AppError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let headers = [("x-shop", "open"), ("etag", "\"1\"")];
        let response = (StatusCode::INTERNAL_SERVER_ERROR, headers, "oops").into_response();
        FailedBy::new(self).attach(response)
    }
}

fn price(text: &str) -> Result<u32, AppError> {
    text.parse().map_err(AppError)
}

async fn show_price() -> Result<String, AppError> {
    Ok(price("12.50")?.to_string())
}

/// With the place of its `?`, in the line after this.
const LINE: u32 = line!() + 2;
async fn show_order() -> Result<String, Error> {
    Ok("seven".parse::<u32>()?.to_string())
}

async fn not_found() -> Result<String, Error> {
    Err(Error::new(StatusCode::NOT_FOUND, "no such order"))
}

async fn silent(status: StatusCode) -> impl IntoResponse {
    FailedBy::new(AppError("".parse::<u32>().unwrap_err())).attach(status.into_response())
}

fn shop() -> Router {
    Router::new()
        .route("/price", get(show_price))
        .route("/order", get(show_order))
        .route("/none", get(not_found))
        .route("/silent", get(|| silent(StatusCode::BAD_GATEWAY)))
        .route("/teapot", get(|| silent(StatusCode::IM_A_TEAPOT)))
        .route(
            "/bare",
            get(async || (StatusCode::NOT_IMPLEMENTED, "one day")),
        )
        .route("/full", get(async || StatusCode::SERVICE_UNAVAILABLE))
}

async fn ask(app: Router, path: &str, accept: &str) -> Taken {
    let request = Request::get(path).header(header::ACCEPT, accept);
    take(
        app.oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap(),
    )
    .await
}

fn shown() -> ExceptionsLayer {
    layer().show_details_if(|_| true)
}

#[tokio::test]
async fn in_production_the_response_is_the_programs_and_the_log_has_the_error() {
    let log = Log::new();
    let bare = ask(shop(), "/price", "*/*").await;
    for accept in ["*/*", "text/html"] {
        let taken = ask(shop().layer(layer()), "/price", accept).await;
        assert_eq!(taken.status, bare.status);
        assert_eq!(taken.headers, bare.headers);
        assert_eq!(taken.text, "oops");
        let record = log.only().await;
        assert!(record.contains("AppError"), "{record}");
        assert!(
            record.contains("the price is no number"),
            "the message: {record}"
        );
        assert!(
            record.contains("ParseIntError: invalid digit found in string"),
            "the chain: {record}"
        );
        assert!(record.contains("request=GET /price "), "{record}");
        // The place is unknown, and that is said.
        assert!(record.contains("Note: no backtrace"), "{record}");
    }
}

#[tokio::test]
async fn of_gateway_cores_error_the_place_is_known() {
    let log = Log::new();
    let taken = ask(shop().layer(layer()), "/order", "*/*").await;
    assert_eq!(taken.text, "Internal Server Error\n");
    let record = log.only().await;
    let place = format!("tests/handlers.rs:{LINE}:");
    assert!(record.contains(&place), "{record}");
    assert!(record.contains("in async show_order"), "{record}");
    assert!(!record.contains("Note:"), "{record}");
}

#[tokio::test]
async fn the_page_takes_the_place_of_the_body_for_those_who_prefer_html() {
    let _log = Log::new();
    let taken = ask(shop().layer(shown()), "/price", "text/html").await;
    assert_eq!(taken.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(taken.text.starts_with("<!doctype html>"), "{taken:?}");
    assert!(taken.text.contains("the price is no number"), "{taken:?}");
    assert_eq!(taken.headers["content-type"], "text/html; charset=utf-8");
    let length = taken.text.len().to_string();
    assert_eq!(taken.headers["content-length"], length.as_str());
    assert!(taken.headers.contains_key("content-security-policy"));
    assert!(!taken.headers.contains_key("etag"), "that of the old body");
    assert_eq!(taken.headers["x-shop"], "open");

    // Others keep what the program says.
    let taken = ask(shop().layer(shown()), "/price", "*/*").await;
    assert_eq!(taken.text, "oops");
}

#[tokio::test]
async fn a_bare_body_is_replaced_by_text() {
    let _log = Log::new();
    for (path, status) in [("/order", 500), ("/silent", 502)] {
        let taken = ask(shop().layer(shown()), path, "*/*").await;
        assert_eq!(taken.status, status, "{path}");
        assert!(taken.text.contains("Error ID: "), "{path}: {}", taken.text);
        assert_eq!(taken.headers["content-type"], "text/plain; charset=utf-8");
        let length = taken.text.len().to_string();
        assert_eq!(taken.headers["content-length"], length.as_str(), "{path}");
    }
    let taken = ask(shop().layer(shown()), "/silent", "application/json").await;
    assert_eq!(taken.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let _log = Log::new();
    for (path, accept) in [
        ("/price", "text/html"),
        ("/price", "*/*"),
        ("/silent", "*/*"),
    ] {
        let request = Request::head(path).header(header::ACCEPT, accept);
        let request = request.body(Body::empty()).unwrap();
        let head = take(shop().layer(shown()).oneshot(request).await.unwrap()).await;
        let get = ask(shop().layer(shown()), path, accept).await;
        assert_eq!(head.status, get.status);
        assert_eq!(head.text, "");
        let names = |headers: &HeaderMap| {
            let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&head.headers), names(&get.headers), "{path}");
        let (head, get) = (&head.headers["content-type"], &get.headers["content-type"]);
        assert_eq!(head, get, "{path} {accept}");
    }
}

#[tokio::test]
async fn what_is_the_clients_fault_is_reported_where_a_mapping_says_so() {
    let log = Log::new();
    for path in ["/none", "/teapot"] {
        let taken = ask(shop().layer(shown()), path, "text/html").await;
        assert!(!taken.text.contains("Error ID"), "{path}");
        assert_eq!(log.take(), [""; 0], "{path}");
    }
    let mapped = layer().map_status(|_: &AppError| StatusCode::BAD_GATEWAY);
    let taken = ask(shop().layer(mapped), "/teapot", "*/*").await;
    assert_eq!(taken.status, StatusCode::IM_A_TEAPOT);
    assert!(log.only().await.contains("status=418 "));

    let mapped = layer().map_status(|_: &AppError| StatusCode::CONFLICT);
    let taken = ask(shop().layer(mapped), "/price", "*/*").await;
    assert_eq!(taken.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(log.take(), [""; 0]);
}

#[tokio::test]
async fn a_5xx_that_nothing_explains_is_logged_with_its_route() {
    let log = Log::new();
    let taken = ask(shop().layer(shown()), "/bare", "text/html").await;
    assert_eq!(taken.text, "one day");
    let record = log.only().await;
    assert!(
        record.starts_with("ERROR ") && record.contains("request=GET /bare "),
        "{record}"
    );
    assert!(record.contains("status=501 "), "{record}");
    let taken = ask(shop().layer(shown()), "/full", "*/*").await;
    assert_eq!(taken.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(log.take(), [""; 0]);
}

#[tokio::test]
async fn one_of_several_layers_reports() {
    let log = Log::new();
    for path in ["/price", "/order", "/bare"] {
        let app = shop().layer(layer()).layer(shown()).layer(layer());
        ask(app, path, "*/*").await;
        log.only().await;
    }
}

#[tokio::test]
async fn the_error_survives_the_layers_of_tower_http() {
    let log = Log::new();
    let between = ServiceBuilder::new()
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(MapResponseBodyLayer::new(Box::pin))
        .layer(ResponseBodyTimeoutLayer::new(
            std::time::Duration::from_secs(30),
        ));
    let service = layer().layer(between.service(shop()));
    let request = Request::get("/price").body(Body::empty()).unwrap();
    let taken = take(service.oneshot(request).await.unwrap()).await;
    assert_eq!(taken.text, "oops");
    assert!(log.only().await.contains("the price is no number"));
}

#[tokio::test]
async fn a_program_that_asks_for_the_id_in_a_header_gets_it() {
    let log = Log::new();
    let layer = layer().id_header(header::HeaderName::from_static("x-error-id"));
    let taken = ask(shop().layer(layer), "/price", "*/*").await;
    assert_eq!(taken.text, "oops");
    let id = taken.headers["x-error-id"].to_str().unwrap();
    assert!(log.only().await.contains(&format!("id={id} ")));
}
