//! Our router in an axum program, with axum's handlers in our router.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::body::Body;
use axum::extract::Extension;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use gateway_core::{Environ, Reply};
use router::service::TrailingSlash;
use router::{BoxRouter, BuildError, FromAxumLayer, IntoPattern, RequestUrlArgs, UrlArgs};
use serde::Deserialize;

#[derive(Deserialize)]
struct Article {
    year: u16,
    slug: String,
}

/// An axum handler as an endpoint: what the router found is an extension.
async fn article(Extension(args): Extension<UrlArgs>) -> Response {
    match args.try_parse::<Article>() {
        Ok(article) => format!("{} of {}\n", article.slug, article.year).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
    }
}

/// Links are made from names; this one is relative to nothing and right everywhere.
async fn page(Extension(args): Extension<UrlArgs>) -> Result<Html<String>, StatusCode> {
    let talk = args.url_for("talk", [args.name("title").unwrap_or_default()]);
    let talk = talk.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Html(format!(
        "<a href=\"{}\">talk</a>\n",
        gateway_core::escape(&talk)
    )))
}

/// A blocking function beside them; it runs on a thread that may block.
fn report(environ: &mut Environ) -> Reply {
    let name = environ
        .url_args()
        .and_then(|args| args.get(0))
        .unwrap_or("?");
    Reply::text(format!("report {name}\n"))
}

fn articles() -> Result<BoxRouter<Body>, BuildError> {
    BoxRouter::builder()
        .trailing_slash(TrailingSlash::RedirectToSlash)
        .get(
            r"^articles/(?<year>[0-9]{4})/(?<slug>[\w-]+)\.html$",
            article.with_state(()),
        )
        .get(
            r"^articles/[0-9]{4}/$",
            (async || "the articles of a year\n").with_state(()),
        )
        .get(r"^reports/(.+)$", report)
        .development()
        .build()
}

fn wiki() -> Result<BoxRouter<Body>, BuildError> {
    BoxRouter::builder()
        .get(
            "^(?<title>.+)/talk$".named("talk"),
            (async || "talk\n").with_state(()),
        )
        .get("^(?<title>.+)$".named("page"), page.with_state(()))
        .build()
}

fn app() -> Result<axum::Router, BuildError> {
    Ok(axum::Router::new()
        .route("/", get(async || "axum's own route\n"))
        .nest_service("/wiki", wiki()?)
        .fallback_service(articles()?)
        // Outermost: tells our router the path before `nest` takes `/wiki` off, and the peer.
        .layer(FromAxumLayer::new()))
}

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8000", serve)
}

#[tokio::main]
async fn serve(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // The page for what is not found is for this machine alone: axum has to tell the peer.
    let service = app()?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).expect("a path");
        let response = app()
            .expect("the routes are right")
            .oneshot(request)
            .await
            .expect("infallible");
        let status = response.status().as_u16();
        let location = response.headers().get("location").cloned();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (
            status,
            location.map_or(text, |location| {
                location.to_str().expect("ASCII").to_owned()
            }),
        )
    }

    #[tokio::test]
    async fn both_routers_answer_in_one_program() {
        for (path, status, text) in [
            ("/", 200, "axum's own route\n"),
            (
                "/articles/2007/getting-started-with-wsgi.html",
                200,
                "getting-started-with-wsgi of 2007\n",
            ),
            ("/articles/2007/", 200, "the articles of a year\n"),
            ("/articles/2007?page=2", 308, "./2007/?page=2"),
            ("/reports/a%20b", 200, "report a b\n"),
            (
                "/wiki/Front%20Page",
                200,
                "<a href=\"/wiki/Front%20Page/talk\">talk</a>\n",
            ),
            ("/wiki/Front%20Page/talk", 200, "talk\n"),
        ] {
            assert_eq!(ask(path).await, (status, text.to_owned()), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_not_found_shows_the_routes_to_this_machine() {
        let ask = async |peer: &str| {
            let peer: SocketAddr = peer.parse().expect("an address");
            let request = Request::get("/articles/07/")
                .header("host", "localhost:8000")
                .extension(axum::extract::ConnectInfo(peer))
                .body(Body::empty())
                .expect("a request");
            let app = app().expect("the routes are right");
            let response = app.oneshot(request).await.expect("infallible");
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            let bytes = axum::body::to_bytes(response.into_body(), 10_000).await;
            String::from_utf8_lossy(&bytes.expect("a body")).into_owned()
        };
        // A client of this very process: the page is for the user who runs the program.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("an address");
        let client = std::net::TcpStream::connect(here).expect("a connection");
        let peer = client.local_addr().expect("an address").to_string();
        let shown = ask(&peer).await;
        assert!(shown.contains("^articles/[0-9]{4}/$"), "{shown}");
        assert_eq!(ask("192.0.2.1:5000").await, "Not Found\n");
    }
}
