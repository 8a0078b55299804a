//! The program that `docs/telemetry.md` shows.

use axum::{Router, body::Body, http::Request, routing::get};
use middleware_exceptions::ExceptionsLayer;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tower::ServiceExt;
use tower_http::trace::TraceLayer;
use tracing_subscriber::prelude::*;

async fn order() -> String {
    let id: u32 = std::hint::black_box("x7").parse().unwrap();
    format!("order {id}")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // In place of the exporter to a collector: what would have been sent.
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let telemetry = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    tracing_subscriber::registry().with(telemetry).init();

    let app = Router::new()
        .route("/orders/x7", get(order))
        .layer(ExceptionsLayer::new())
        .layer(TraceLayer::new_for_http());
    let request = Request::get("/orders/x7").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 500);
    drop(response);

    let spans = exporter.get_finished_spans().unwrap();
    let span = spans.iter().find(|span| span.name == "request").unwrap();
    let attribute = |name: &str| {
        let attributes = span.events.iter().flat_map(|event| &event.attributes);
        let mut found = attributes.filter(|attribute| attribute.key.as_str() == name);
        let value = found.next().map(|attribute| attribute.value.to_string());
        value.unwrap_or_default()
    };
    assert_eq!(attribute("exception.type"), "panic");
    assert!(attribute("exception.message").contains("InvalidDigit"));
    assert!(attribute("exception.stacktrace").contains("in async order"));
}
