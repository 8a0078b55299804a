//! Step 4: a page that blocks: plain code, on a thread that may.

use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::extract::{ConnectInfo, Extension, Path};
use axum::response::Html;
use axum::routing::get;
use gateway_core::{Application, Body, Environ, Error, Reply};
use middleware_exceptions::{ExceptionsLayer, FromAxumLayer};
use middleware_static::StaticFiles;
use router::UrlArgs;
use tower::Layer;

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", serve)
}

#[tokio::main]
async fn serve(address: &str) -> std::io::Result<()> {
    let archive = router::Router::builder()
        .get(r"^(?<year>[0-9]{4})/(?<title>[a-z-]+)\.html$", get(article))
        .get(r"^(?<year>[0-9]{4})/?$", get(year))
        .build()
        .expect("the patterns are right");
    let exceptions = ExceptionsLayer::new().development();
    let app = Router::new()
        .route("/", get(index))
        .route("/orders/{id}", get(order))
        .nest_service("/archive", archive)
        .nest_service("/export", exceptions.layer(export.into_service()))
        .nest_service("/assets", StaticFiles::new(ASSETS))
        .layer(exceptions)
        .layer(FromAxumLayer::new());

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

async fn article(Extension(args): Extension<UrlArgs>) -> String {
    let [year, title] = ["year", "title"].map(|name| args.name(name).unwrap_or_default());
    format!("{title}, written in {year}\n")
}

async fn year(Extension(args): Extension<UrlArgs>) -> String {
    format!("all of {}\n", args.name("year").unwrap_or_default())
}

/// Written to as a file is, and sent as it is written.
fn export(environ: &mut Environ) -> Result<Reply, Error> {
    let rows: u32 = environ.query("rows").unwrap_or("3".into()).parse()?;
    Ok(Reply::text(Body::from_writer(move |out| {
        let mut out = BufWriter::new(out);
        (1..=rows).try_for_each(|row| writeln!(out, "{row};{}", row * row))?;
        out.flush()
    })))
}
