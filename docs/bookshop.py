"""The bookshop in Flask 3.1: what examples/bookshop does in Rust, for docs/from-flask.md.

It shares the templates, the style and the schema with examples/bookshop. From the root of the repository:

    flask --app docs/bookshop.py run
"""

import io
import json
import os
import re
import secrets
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, abort, flash, g, get_flashed_messages, jsonify
from flask import redirect, render_template, request, send_file, session, url_for
from werkzeug.exceptions import HTTPException

SHOP = Path(__file__).resolve().parent.parent / "examples" / "bookshop"

app = Flask(__name__, template_folder=SHOP / "templates", static_folder=SHOP / "static")
app.secret_key = os.environ.get("BOOKSHOP_SECRET") or secrets.token_bytes(32)


@app.template_filter()
def euros(cents):
    return f"{cents // 100}.{cents % 100:02} €"


@app.context_processor
def functions():
    def flashes():
        for kind, text in get_flashed_messages(with_categories=True):
            yield {"kind": kind, "text": text}

    return {"flashes": flashes, "asset_url": lambda name: url_for("static", filename=name)}


@app.errorhandler(HTTPException)
def error(error):
    response = error.get_response()  # with its Allow, Retry-After and the like
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    if best == "application/json":
        response.data = json.dumps({"title": error.name, "status": error.code})
        response.content_type = "application/problem+json"
    else:
        values = {"status": error.code, "reason": error.name}
        # Messages wait for a page that is no error.
        response.data = render_template("error.html", flashes=list, **values)
    return response


@app.before_request
def refuse_forms_of_other_sites():
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in ("same-origin", "none"):
        return
    if site or (origin and urlsplit(origin).netloc != request.host):
        abort(403)


def db():
    if "db" not in g:
        g.db = sqlite3.connect("bookshop.db", isolation_level=None)
        g.db.row_factory = sqlite3.Row
        if g.db.execute("PRAGMA user_version").fetchone()[0] == 0:
            g.db.executescript((SHOP / "src" / "schema.sql").read_text())
    return g.db


@app.teardown_appcontext
def close(_):
    if "db" in g:
        g.db.close()


def found(row):
    return row or abort(404)


def books(rest, values=()):
    columns = "id, title, author, year, cents, stock, cover IS NOT NULL AS has_cover"
    rows = db().execute(f"SELECT {columns} FROM books {rest}", values)
    return [dict(row, has_cover=bool(row["has_cover"])) for row in rows]


def the_book(id):
    return found(next(iter(books("WHERE id = ?", [id])), None))


def shelf(heading, rest, values=()):
    return render_template("list.html", books=books(rest, values), heading=heading)


@app.get("/")
def home():
    return shelf("New in the shop", "ORDER BY id DESC LIMIT 3")


@app.get("/bargains")
def bargains():
    return shelf("Bargains", "WHERE cents < 1000 ORDER BY cents")


@app.get("/sold-out")
def sold_out():
    return shelf("Sold out", "WHERE stock = 0 ORDER BY title")


@app.get("/years/<int(max=4294967295):year>")
def year(year):
    return shelf(f"Books of {year}", "WHERE year = ? ORDER BY title", [year])


@app.get("/about")
def about():
    return render_template("about.html")


@app.get("/surprise")
def surprise():
    return shelf("A surprise", "ORDER BY random() LIMIT 1")


@app.get("/books", endpoint="books")
def list_books():
    rest = """WHERE instr(lower(title || ' ' || author), lower(trim(coalesce(?1, ''))))
              ORDER BY author, title"""
    found = books(rest, [request.args.get("words")])
    return render_template("list.html", books=found, search=request.args, heading="All books")


ID = "<int(max=9223372036854775807):id>"  # what SQLite takes; more would be a 500


@app.get(f"/books/{ID}")
def book(id):
    return render_template("book.html", book=the_book(id))


def checked(form):
    errors = {}
    for name in ("title", "author"):
        if not 1 <= len(form.get(name, "").strip().encode()) <= 200:
            errors[name] = "A text of at most 200 bytes."
    for name, least in (("year", 1), ("cents", 1), ("stock", 0)):
        number = form.get(name, "")
        if not re.fullmatch(r"\+?[0-9]+", number) or not least <= int(number[:20]) <= 9999:
            errors[name] = f"A number from {least} to 9999."
    return errors


@app.get("/books/new")
def new():
    return render_template("form.html", form={})


@app.get(f"/books/{ID}/edit")
def edit(id):
    return render_template("form.html", form=the_book(id), id=id)


@app.post("/books/new")
@app.post(f"/books/{ID}/edit")
def save_form(id=None):
    request.max_content_length = 10_000
    if request.mimetype != "application/x-www-form-urlencoded":
        abort(415)
    errors = checked(request.form)
    if errors:
        return render_template("form.html", form=request.form, id=id, errors=errors), 422
    id = save(id, request.form)
    flash(f"“{request.form['title'].strip()}” was saved.", "success")
    return redirect(url_for("book", id=id), 303)


def save(id, form):
    numbers = [int(form[name]) for name in ("year", "cents", "stock")]
    sql = """INSERT INTO books SELECT ?1, ?2, ?3, ?4, ?5, ?6, NULL
             WHERE ?1 IS NULL OR EXISTS (SELECT 1 FROM books WHERE id = ?1)
             ON CONFLICT (id) DO UPDATE
             SET title = ?2, author = ?3, year = ?4, cents = ?5, stock = ?6 RETURNING id"""
    values = [id, form["title"].strip(), form["author"].strip(), *numbers]
    return found(db().execute(sql, values).fetchone())["id"]


@app.post(f"/books/{ID}/delete")
def delete(id):
    deleted = db().execute("DELETE FROM books WHERE id = ? RETURNING title", [id])
    flash(f"“{found(deleted.fetchone())['title']}” was deleted.", "success")
    return redirect(url_for("books"), 303)


def image_kind(image):
    for start, kind in ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg")):
        if image.startswith(start):
            return kind


@app.get(f"/books/{ID}/cover")
def cover(id):
    sql = "SELECT cover FROM books WHERE id = ? AND cover IS NOT NULL"
    image = found(db().execute(sql, [id]).fetchone())["cover"]
    return send_file(io.BytesIO(image), mimetype=f"image/{image_kind(image)}")


@app.post(f"/books/{ID}/cover")
def upload(id):
    the_book(id)
    request.max_content_length = 1_100_000
    if request.mimetype != "multipart/form-data":
        abort(415)
    file = request.files.get("cover")
    image = file.read() if file else b""
    if len(image) > 1 << 20:
        abort(413)
    if image_kind(image):
        db().execute("UPDATE books SET cover = ? WHERE id = ?", [image, id])
        flash("The book has a new cover.", "success")
    else:
        flash("A cover is a PNG or JPEG image.", "error")
    return redirect(url_for("book", id=id), 303)


def quoted(text):
    mark = "'" if text.startswith(("=", "+", "-", "@")) else ""
    text = text.replace('"', '""')
    return f'"{mark}{text}"'


@app.get("/books.csv")
def csv():
    lines = "id,title,author,year,cents,stock\r\n"
    for book in books("ORDER BY id"):
        book.update(title=quoted(book["title"]), author=quoted(book["author"]))
        lines += "{id},{title},{author},{year},{cents},{stock}\r\n".format(**book)
    file = io.BytesIO(lines.encode())
    return send_file(file, as_attachment=True, download_name="books.csv")


def wanted():
    return set(session.get("basket", []))


@app.get("/basket")
def basket():
    chosen = [book for id in sorted(wanted()) for book in books("WHERE id = ?", [id])]
    return render_template("basket.html", books=chosen)


@app.post(f"/books/{ID}/buy")
def buy(id):
    book, ids = the_book(id), wanted()
    if book["stock"] == 0 or len(ids) == 50:
        flash(f"“{book['title']}” cannot be had now.", "error")
    else:
        session["basket"] = sorted(ids | {id})
        flash(f"“{book['title']}” is in your basket.", "success")
    return redirect(url_for("basket"), 303)


@app.post(f"/basket/{ID}/remove")
def remove(id):
    session["basket"] = sorted(wanted() - {id})
    return redirect(url_for("basket"), 303)


def count_by_author():
    sql = "SELECT author, count(*) FROM books GROUP BY author ORDER BY author"
    return [tuple(row) for row in db().execute(sql)]


@app.get("/authors")
def authors():
    return render_template("authors.html", authors=count_by_author())


@app.get("/api/authors")
def api_authors():
    return jsonify(count_by_author())


@app.get("/api/books")
def api_books():
    return jsonify(books("ORDER BY id"))


@app.get(f"/api/books/{ID}")
def api_book(id):
    return jsonify(the_book(id))


@app.post("/api/books")
def api_add():
    request.max_content_length = 10_000
    fields = {"title": "", "author": "", "year": 0, "cents": 0, "stock": 0}
    sent = request.get_json()
    for name, default in fields.items():
        fields[name] = sent.get(name, default) if isinstance(sent, dict) else abort(422)
        if type(fields[name]) is not type(default):
            abort(422)
    form = {name: str(value) for name, value in fields.items()}
    errors = checked(form)
    if errors:
        return errors, 422
    return Response(status=201, headers={"Location": url_for("api_book", id=save(None, form))})
