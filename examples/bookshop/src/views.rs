//! A function for each URL.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use gateway_core::{Environ, Error, Reply};
use gateway_web::{Download, EnvironExt, Form, ReplyExt, UploadLimits, values};
use http::StatusCode;
use router::{BuildError, IntoPattern, Router, template};
use rusqlite::Params;

use crate::shop::{Book, Shop};

type Answer = Result<Reply, Error>;
type View = fn(&mut Environ) -> Answer;

pub(crate) fn urls() -> Result<Router<View>, BuildError> {
    Router::<View>::builder()
        .get(template("").named("home"), home)
        .get(template("about").named("about"), about)
        .get(template("surprise").named("surprise"), surprise)
        .get(template("bargains").named("bargains"), bargains)
        .get(template("sold-out").named("sold_out"), sold_out)
        .get(template("authors").named("authors"), authors)
        .get(template("years/{year:int}").named("year"), year)
        .get(template("books").named("books"), list)
        .get(template("books.csv").named("csv"), csv)
        .get(template("books/new").named("new"), new)
        .post(template("books/new"), save_form)
        .get(template("books/{id:int}").named("book"), show)
        .get(template("books/{id:int}/edit").named("edit"), edit)
        .post(template("books/{id:int}/edit"), save_form)
        .post(template("books/{id:int}/delete").named("delete"), delete)
        .get(template("books/{id:int}/cover").named("cover"), cover)
        .post(template("books/{id:int}/cover"), upload)
        .post(template("books/{id:int}/buy").named("buy"), buy)
        .get(template("basket").named("basket"), basket)
        .post(template("basket/{id:int}/remove").named("remove"), remove)
        .get(template("api/books").named("api_books"), api_list)
        .post(template("api/books"), api_add)
        .get(template("api/books/{id:int}").named("api_book"), api_show)
        .get(template("api/authors").named("api_authors"), api_authors)
        .build()
}

/// The first, or 404.
fn found<T>(found: Vec<T>) -> Result<T, Error> {
    let missing = || Error::new(StatusCode::NOT_FOUND, "there is no such book");
    found.into_iter().next().ok_or_else(missing)
}

fn books(environ: &Environ, rest: &str, values: impl Params) -> Result<Vec<Book>, Error> {
    let sql = format!("SELECT *, cover IS NOT NULL AS has_cover FROM books {rest}");
    Shop::ask(environ, &sql, values, Book::of)
}

/// The book that the URL names.
fn book(environ: &Environ) -> Result<Book, Error> {
    let id: i64 = environ.parse_url()?;
    found(books(environ, "WHERE id = ?1", [id])?)
}

fn shelf(environ: &Environ, heading: &str, rest: &str) -> Answer {
    let books = books(environ, rest, ())?;
    environ.render("list.html", values! { books, heading })
}

fn home(environ: &mut Environ) -> Answer {
    shelf(environ, "New in the shop", "ORDER BY id DESC LIMIT 3")
}

fn bargains(environ: &mut Environ) -> Answer {
    shelf(environ, "Bargains", "WHERE cents < 1000 ORDER BY cents")
}

fn sold_out(environ: &mut Environ) -> Answer {
    shelf(environ, "Sold out", "WHERE stock = 0 ORDER BY title")
}

fn year(environ: &mut Environ) -> Answer {
    let year: u32 = environ.parse_url()?;
    let rest = format!("WHERE year = {year} ORDER BY title");
    shelf(environ, &format!("Books of {year}"), &rest)
}

fn about(environ: &mut Environ) -> Answer {
    environ.render("about.html", ())
}

fn surprise(environ: &mut Environ) -> Answer {
    shelf(environ, "A surprise", "ORDER BY random() LIMIT 1")
}

fn list(environ: &mut Environ) -> Answer {
    let search: BTreeMap<String, String> = environ.parse_query()?;
    let rest = "WHERE instr(lower(title || ' ' || author), lower(trim(coalesce(?1, ''))))
                ORDER BY author, title";
    let (heading, books) = ("All books", books(environ, rest, [search.get("words")])?);
    environ.render("list.html", values! { books, search, heading })
}

fn show(environ: &mut Environ) -> Answer {
    let book = book(environ)?;
    environ.render("book.html", values! { book })
}

fn new(environ: &mut Environ) -> Answer {
    environ.render("form.html", values! { form => Form::default() })
}

fn edit(environ: &mut Environ) -> Answer {
    let form = book(environ)?;
    environ.render("form.html", values! { form, id => form.id })
}

/// Of the book that the URL names, or of a new one.
fn save_form(environ: &mut Environ) -> Answer {
    let id: Option<i64> = environ.parse_url()?;
    let form = environ.read_form(10_000)?;
    match Book::checked(&form) {
        Ok(book) => {
            let id = save(environ, id, &book)?;
            environ.flash("success", format!("“{}” was saved.", book.title.trim()))?;
            environ.redirect_to("book", [id])
        }
        Err(errors) => {
            let page = environ.render("form.html", values! { form, id, errors })?;
            Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

/// Adds the book, or writes over the one of this id.
fn save(environ: &Environ, id: Option<i64>, book: &Book) -> Result<i64, Error> {
    let (title, author) = (book.title.trim(), book.author.trim());
    let values = (id, title, author, book.year, book.cents, book.stock);
    let sql = "INSERT INTO books SELECT ?1, ?2, ?3, ?4, ?5, ?6, NULL
               WHERE ?1 IS NULL OR EXISTS (SELECT 1 FROM books WHERE id = ?1)
               ON CONFLICT (id) DO UPDATE
               SET title = ?2, author = ?3, year = ?4, cents = ?5, stock = ?6 RETURNING id";
    found(Shop::ask(environ, sql, values, |row| row.get("id"))?)
}

fn delete(environ: &mut Environ) -> Answer {
    let id: i64 = environ.parse_url()?;
    let sql = "DELETE FROM books WHERE id = ?1 RETURNING title";
    let title: String = found(Shop::ask(environ, sql, [id], |row| row.get("title"))?)?;
    environ.flash("success", format!("“{title}” was deleted."))?;
    environ.redirect_to("books", ())
}

/// What an image is by its first bytes: what the client says may be wrong. No SVG, which runs scripts.
fn image_kind(image: &[u8]) -> Option<&'static str> {
    let kinds = [(&b"\x89PNG"[..], "png"), (b"\xff\xd8\xff", "jpg")];
    let kind = kinds.iter().find(|(start, _)| image.starts_with(start))?;
    Some(kind.1)
}

fn upload(environ: &mut Environ) -> Answer {
    let id = book(environ)?.id;
    let upload = environ.upload(UploadLimits::default().files_of(1 << 20).parts(10))?;
    let mut image = Vec::new();
    if let Some(file) = upload.file("cover") {
        file.open()?.read_to_end(&mut image)?;
    }
    if image_kind(&image).is_some() {
        let sql = "UPDATE books SET cover = ?2 WHERE id = ?1";
        Shop::ask(environ, sql, (id, image), |_| Ok(()))?;
        environ.flash("success", "The book has a new cover.")?;
    } else {
        environ.flash("error", "A cover is a PNG or JPEG image.")?;
    }
    environ.redirect_to("book", [id])
}

fn cover(environ: &mut Environ) -> Answer {
    let id: i64 = environ.parse_url()?;
    let sql = "SELECT cover FROM books WHERE id = ?1 AND cover IS NOT NULL";
    let image: Vec<u8> = found(Shop::ask(environ, sql, [id], |row| row.get("cover"))?)?;
    let name = format!("cover.{}", image_kind(&image).unwrap_or("bin"));
    environ.download(Download::new(Cursor::new(image), &name)?.inline())
}

/// A field of CSV (RFC 4180). A spreadsheet would run what begins like a formula.
fn quoted(text: &str) -> String {
    let mark = text.starts_with(['=', '+', '-', '@']).then_some("'");
    let (mark, text) = (mark.unwrap_or_default(), text.replace('"', "\"\""));
    format!("\"{mark}{text}\"")
}

fn csv(environ: &mut Environ) -> Answer {
    let mut lines = String::from("id,title,author,year,cents,stock\r\n");
    for book in books(environ, "ORDER BY id", ())? {
        let (title, author) = (quoted(&book.title), quoted(&book.author));
        let (id, year, cents, stock) = (book.id, book.year, book.cents, book.stock);
        lines += &format!("{id},{title},{author},{year},{cents},{stock}\r\n");
    }
    environ.download(Download::new(Cursor::new(lines), "books.csv")?)
}

/// The ids of the books that this client wants.
fn wanted(environ: &Environ) -> Result<BTreeSet<i64>, Error> {
    Ok(environ.session()?.get("basket").unwrap_or_default())
}

fn basket(environ: &mut Environ) -> Answer {
    let mut chosen = Vec::new();
    for id in wanted(environ)? {
        chosen.extend(books(environ, "WHERE id = ?1", [id])?);
    }
    environ.render("basket.html", values! { books => chosen })
}

fn buy(environ: &mut Environ) -> Answer {
    let book = book(environ)?;
    let mut wanted = wanted(environ)?;
    // A session is a cookie of 4 KiB at most.
    if book.stock == 0 || wanted.len() == 50 {
        environ.flash("error", format!("“{}” cannot be had now.", book.title))?;
    } else {
        wanted.insert(book.id);
        environ.session()?.set("basket", &wanted)?;
        environ.flash("success", format!("“{}” is in your basket.", book.title))?;
    }
    environ.redirect_to("basket", ())
}

fn remove(environ: &mut Environ) -> Answer {
    let mut wanted = wanted(environ)?;
    wanted.remove(&environ.parse_url()?);
    environ.session()?.set("basket", &wanted)?;
    environ.redirect_to("basket", ())
}

fn count_by_author(environ: &Environ) -> Result<Vec<(String, u32)>, Error> {
    let sql = "SELECT author, count(*) FROM books GROUP BY author ORDER BY author";
    Shop::ask(environ, sql, (), |row| Ok((row.get(0)?, row.get(1)?)))
}

fn authors(environ: &mut Environ) -> Answer {
    let authors = count_by_author(environ)?;
    environ.render("authors.html", values! { authors })
}

fn api_authors(environ: &mut Environ) -> Answer {
    Reply::from_json(&count_by_author(environ)?)
}

fn api_list(environ: &mut Environ) -> Answer {
    Reply::from_json(&books(environ, "ORDER BY id", ())?)
}

fn api_show(environ: &mut Environ) -> Answer {
    Reply::from_json(&book(environ)?)
}

fn api_add(environ: &mut Environ) -> Answer {
    let book: Book = environ.read_json(10_000)?;
    let form = Form::of(&book)?;
    if let Err(errors) = Book::checked(&form) {
        return Ok(Reply::from_json(&errors)?.with_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    let id = save(environ, None, &book)?;
    Ok(Reply::status(StatusCode::CREATED).header("location", environ.url_for("api_book", [id])?))
}
