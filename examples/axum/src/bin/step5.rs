//! Step 5: the same program behind nginx or Apache, over FastCGI.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use axum::Router;
use axum::extract::{Extension, Path, Request};
use axum::response::Html;
use axum::routing::get;
use gateway_core::{Application, Body, Environ, Error, Reply, RequestExt};
use gateway_server::fastcgi;
use middleware_exceptions::ExceptionsLayer;
use middleware_static::StaticFiles;
use router::UrlArgs;
use tower::Layer;

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");

fn main() -> ExitCode {
    command_line::run("127.0.0.1:9000", serve)
}

fn serve(address: &str) -> std::io::Result<ExitCode> {
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
        .layer(exceptions);

    gateway_server::block_on(async {
        let server = fastcgi::Server::bind(address)?;
        println!("listening on fcgi://{}", server.local_addr()?);
        server.serve(app).await
    })
}

async fn index(request: Request) -> Html<String> {
    let client = request.var("REMOTE_ADDR").unwrap_or_default();
    let client = String::from_utf8_lossy(&client);
    let link = "<link rel=stylesheet href=assets/style.css>";
    Html(format!(
        "{link}\n<h1>Shop</h1>\n<p>Good day, {}.</p>\n",
        client
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
