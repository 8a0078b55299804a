//! Step 2: files by `StaticFiles`.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::extract::{ConnectInfo, Path};
use axum::response::Html;
use axum::routing::get;
use middleware_exceptions::ExceptionsLayer;
use middleware_static::StaticFiles;

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", serve)
}

#[tokio::main]
async fn serve(address: &str) -> std::io::Result<()> {
    let app = Router::new()
        .route("/", get(index))
        .route("/orders/{id}", get(order))
        .nest_service("/assets", StaticFiles::new(ASSETS))
        .layer(ExceptionsLayer::new().development());

    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await
}

async fn index(ConnectInfo(client): ConnectInfo<SocketAddr>) -> Html<String> {
    let link = "<link rel=stylesheet href=assets/style.css>";
    Html(format!(
        "{link}\n<h1>Shop</h1>\n<p>Good day, {}.</p>\n",
        client.ip()
    ))
}

/// Takes for granted that an order is a number.
async fn order(Path(id): Path<String>) -> String {
    let id: u32 = id.parse().unwrap();
    format!("order {id}\n")
}
