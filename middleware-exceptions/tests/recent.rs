//! The page of the last failures: who sees it, and what is on it.

mod support;

use axum::{Router, body::Body, routing::get};
use gateway_core::Error;
use http::{Method, Request, StatusCode, header};
use middleware_exceptions::ExceptionsLayer;
use support::{Log, Taken, layer, take};
use tower::ServiceExt as _;

async fn failing() -> Result<String, Error> {
    Ok("seven".parse::<u32>()?.to_string())
}

async fn panicking() -> String {
    let n: u32 = std::hint::black_box("eight").parse().unwrap();
    n.to_string()
}

fn shop(layer: ExceptionsLayer) -> Router {
    Router::new()
        .route("/failing", get(failing))
        .route("/panicking", get(panicking))
        .route_service("/failures", layer.recent_failures())
        .layer(layer)
}

async fn ask(shop: &Router, method: Method, path: &str, accept: &str) -> Taken {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::ACCEPT, accept).body(Body::empty());
    take(shop.clone().oneshot(request.unwrap()).await.unwrap()).await
}

#[tokio::test]
async fn the_last_failures_are_grouped_by_place() {
    let _log = Log::new();
    let shop = shop(layer().show_details_if(|_| true).keep_recent(3));
    let page = ask(&shop, Method::GET, "/failures", "*/*").await;
    assert_eq!(page.text, "No failures are kept.\n");
    for path in [
        "/panicking",
        "/panicking?token=secret1",
        "/failing",
        "/panicking",
    ] {
        ask(&shop, Method::GET, path, "*/*").await;
    }
    let page = ask(&shop, Method::GET, "/failures", "*/*").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["cache-control"], "no-store");
    let (panics, errors) = page.text.split_once("InvalidDigit").unwrap();
    assert!(panics.contains(" (2 kept)\n"), "{}", page.text);
    assert!(errors.contains(" (1 kept)\n"), "{}", page.text);
    assert!(page.text.contains("GET /panicking?token=[redacted]\n"));

    let json = ask(&shop, Method::GET, "/failures", "application/json").await;
    assert_eq!(json.headers["content-type"], "application/json");
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(json["groups"][0]["count"], 2);
    assert_eq!(json["groups"][1]["failures"][0]["request"], "GET /failing");
    let text = json["groups"][1]["failures"][0]["text"].as_str().unwrap();
    assert!(text.contains("in async failing"), "{text}");
}

#[tokio::test]
async fn it_is_behind_the_gates_of_the_layer() {
    let _log = Log::new();
    for (layer, status, said) in [
        (layer(), 404, "404 Not Found\n"),
        (
            layer().development_in_release(),
            403,
            "No failures are shown here: ",
        ),
        (
            layer().show_details_if(|_| false),
            403,
            "No failures are shown here: ",
        ),
        (layer().show_details_if(|_| true), 200, "GET /failing"),
    ] {
        let shop = shop(layer.keep_recent(10));
        ask(&shop, Method::GET, "/failing", "*/*").await;
        let page = ask(&shop, Method::GET, "/failures", "*/*").await;
        assert_eq!(page.status, status, "{}", page.text);
        assert!(page.text.contains(said), "{}", page.text);
        assert_eq!(page.text.contains("/failing"), status == 200);
        let head = ask(&shop, Method::HEAD, "/failures", "*/*").await;
        assert_eq!((head.status, head.text.as_str()), (page.status, ""));
    }
}

#[tokio::test]
async fn it_is_read_and_not_written() {
    let shop = shop(layer().show_details_if(|_| true).keep_recent(10));
    let page = ask(&shop, Method::POST, "/failures", "*/*").await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(page.headers["allow"], "GET, HEAD");
}
