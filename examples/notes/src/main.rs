//! Notes: router, exceptions, static files, SQLite and a template, in one file.

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::{Application, Environ, Error, Reply, application};
use gateway_server::http::Server;
use http::StatusCode;
use middleware_exceptions::ExceptionsLayer;
use middleware_static::StaticLayer;
use minijinja::context;
use router::{BuildError, IntoPattern, RequestUrlArgs, Router, UrlArgs, template};
use rusqlite::Connection;
use tower::ServiceBuilder;
use tower_http::csrf::CsrfLayer;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes</title>
<link rel="stylesheet" href="static/notes.css">
<h1>Notes</h1>
<form method="post" action="{{ add }}">
<input name="text" aria-label="A new note" required maxlength="1000" autofocus>
<button>Add</button>
</form>
<ul>
{% for note in notes %}
<li><span>{{ note.text }}</span>
<form method="post" action="{{ note.delete }}">
<button aria-label="Done: {{ note.text }}">Done</button>
</form>
{% else %}
<li class="none">Nothing to remember.
{% endfor %}
</ul>
<p><a href="break">break something</a></p>
"#;

type View = fn(&mut Environ) -> Result<Reply, Error>;

/// Which URL leads to which function: regular expressions, or templates with converters.
#[rustfmt::skip] // a table is read by its columns
fn urls() -> Result<Router<View>, BuildError> {
    Router::<View>::builder()
        .get(r"^$".named("list"), list)
        .post(r"^add$".named("add"), add)
        .post(template("{id:int}/delete").named("delete"), delete)
        .get(r"^break$".named("break"), broken)
        .build()
}

/// What the views share: it comes with the environ, as `environ['notes.db']` once did.
#[derive(Clone)]
struct Notes(Arc<Mutex<Connection>>);

impl Notes {
    fn open(file: &str) -> rusqlite::Result<Self> {
        let db = Connection::open(file)?;
        let table = "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
        db.execute(table, [])?;
        Ok(Self(Arc::new(Mutex::new(db))))
    }

    /// Asks the database, and waits for it: the views run on threads that may block.
    fn ask<T, F>(environ: &Environ, query: F) -> Result<T, Error>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T>,
    {
        let Self(db) = environ.get().ok_or_else(|| Error::msg("no database"))?;
        Ok(query(&db.lock().unwrap_or_else(PoisonError::into_inner))?)
    }
}

fn args(environ: &Environ) -> Result<&UrlArgs, Error> {
    environ.url_args().ok_or_else(|| Error::msg("no router"))
}

fn list(environ: &mut Environ) -> Result<Reply, Error> {
    let notes: Vec<(i64, String)> = Notes::ask(environ, |db| {
        let mut query = db.prepare_cached("SELECT id, text FROM notes ORDER BY id DESC")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    })?;
    let urls = args(environ)?;
    let notes = notes
        .into_iter()
        .map(|(id, text)| Ok(context! { text, delete => urls.url_for("delete", [("id", id)])? }));
    let notes = notes.collect::<Result<Vec<_>, Error>>()?;
    // The name ends in `.html`, so everything is escaped.
    let templates = minijinja::Environment::new();
    let template = templates.template_from_named_str("list.html", PAGE)?;
    let values = context! { notes, add => urls.url_for("add", ())? };
    Ok(Reply::html(template.render(values)?))
}

fn add(environ: &mut Environ) -> Result<Reply, Error> {
    let form = environ.form(16 * 1024)?;
    let text = form.get("text").unwrap_or_default();
    let insert = "INSERT INTO notes (text) SELECT ?1 WHERE ?1 <> ''";
    Notes::ask(environ, |db| db.execute(insert, [text.trim()]))?;
    Ok(Reply::see_other("./"))
}

fn delete(environ: &mut Environ) -> Result<Reply, Error> {
    let id: i64 = args(environ)?.parse()?;
    match Notes::ask(environ, |db| {
        db.execute("DELETE FROM notes WHERE id = ?1", [id])
    })? {
        0 => Err(Error::new(StatusCode::NOT_FOUND, "there is no such note")),
        _ => Ok(Reply::see_other("../")),
    }
}

fn broken(environ: &mut Environ) -> Result<Reply, Error> {
    let count = "SELECT count(*) FROM note";
    let count: i64 = Notes::ask(environ, |db| db.query_row(count, [], |row| row.get(0)))?;
    Ok(Reply::text(format!("{count} notes\n")))
}

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", serve)
}

fn serve(address: &str) -> Result<ExitCode, Error> {
    // What fails is logged under the id that its client was given.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let notes = Notes::open("notes.db")?;
    let urls = urls()?;
    println!("{urls}");
    let app = application(move |environ: &mut Environ| {
        environ.insert(notes.clone());
        urls.respond(environ)
    });
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/static");
    let service = ServiceBuilder::new()
        .layer(ExceptionsLayer::new().development())
        .layer(StaticLayer::new("/static", files)?)
        // Browsers say which site sent a form; ours alone may.
        .layer(CsrfLayer::new())
        .service(app.into_service());
    gateway_server::block_on(async {
        let server = Server::bind(address)?;
        println!("listening on http://{}", server.local_addr()?);
        Ok(server.serve(service).await?)
    })
}
