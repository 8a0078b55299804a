"""Flask's tutorial in one file: a blog with accounts, a database, sessions and messages."""

import sqlite3
import tempfile

from flask import (Flask, abort, current_app, flash, g, get_flashed_messages, redirect, render_template_string, request, session,
                   stream_with_context, url_for)
from werkzeug.security import check_password_hash, generate_password_hash

PAGE = """<!doctype html><title>{{ title }}</title>
<a href="{{ url_for('index') }}">Flaskr</a>
{% for message in get_flashed_messages() %}<p class=flash>{{ message }}</p>{% endfor %}
{% for post in posts %}<article><h1>{{ post.title }}</h1><p>{{ post.body }}</p>
<a href="{{ url_for('update', id=post.id) }}">Edit</a></article>{% endfor %}
"""


def db():
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    return g.db


def create_app():
    app = Flask(__name__)
    app.secret_key = "dev"
    app.config["DATABASE"] = tempfile.mkdtemp() + "/flaskr.sqlite"

    with app.app_context():
        db().executescript("""
            CREATE TABLE user (id INTEGER PRIMARY KEY, username TEXT UNIQUE NOT NULL, password TEXT NOT NULL);
            CREATE TABLE post (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL, title TEXT NOT NULL,
                               body TEXT NOT NULL);
        """)
        db().close()
        g.pop("db")

    @app.teardown_appcontext
    def close_db(error=None):
        connection = g.pop("db", None)
        if connection is not None:
            connection.close()

    @app.before_request
    def load_user():
        user = session.get("user_id")
        g.user = user and db().execute("SELECT * FROM user WHERE id = ?", (user,)).fetchone()

    @app.get("/")
    def index():
        posts = db().execute("SELECT * FROM post ORDER BY id DESC").fetchall()
        return render_template_string(PAGE, title="Posts", posts=posts)

    @app.post("/auth/register")
    def register():
        try:
            db().execute("INSERT INTO user (username, password) VALUES (?, ?)",
                         (request.form["username"], generate_password_hash(request.form["password"], "pbkdf2:sha256:10")))
            db().commit()
        except sqlite3.IntegrityError:
            flash(f"User {request.form['username']} is already registered.")
            return redirect(url_for("index"))
        return redirect(url_for("login"))

    @app.route("/auth/login", methods=["GET", "POST"])
    def login():
        if request.method == "POST":
            user = db().execute("SELECT * FROM user WHERE username = ?", (request.form["username"],)).fetchone()
            if user is None or not check_password_hash(user["password"], request.form["password"]):
                flash("Incorrect password.")
                return redirect(url_for("index"))
            session.clear()
            session["user_id"] = user["id"]
            return redirect(url_for("index"))
        return "log in"

    @app.post("/create")
    def create():
        if g.user is None:
            return redirect(url_for("login"))
        db().execute("INSERT INTO post (title, body, author_id) VALUES (?, ?, ?)",
                     (request.form["title"], request.form["body"], g.user["id"]))
        db().commit()
        return redirect(url_for("index"))

    @app.post("/<int:id>/update")
    def update(id):
        if db().execute("SELECT 1 FROM post WHERE id = ? AND author_id = ?", (id, g.user["id"])).fetchone() is None:
            abort(403)
        db().execute("UPDATE post SET title = ? WHERE id = ?", (request.form["title"], id))
        db().commit()
        return redirect(url_for("index"))

    @app.post("/upload")
    def upload():
        file = request.files["file"]
        return {"name": file.filename, "length": len(file.read())}

    @app.get("/where")
    def where():
        return {"index": url_for("index"), "outside": url_for("index", _external=True), "root": request.root_path}

    @app.get("/read")
    def read():
        return {"length": len(request.get_data())}

    @app.get("/numbers")
    def numbers():
        def lines():
            for number in range(3):
                yield f"{number} of {request.path}\n"

        return app.response_class(stream_with_context(lines()), mimetype="text/plain")

    return app
