"""Bottle's tutorial: a to-do list, templates, a static file."""

import tempfile

import bottle

app = bottle.Bottle()
items = ["Visit the Python website"]
folder = tempfile.mkdtemp()
with open(folder + "/hello.txt", "w") as file:
    file.write("Hello from a file")


@app.route("/hello/<name>")
def hello(name="Stranger"):
    return bottle.template("<b>Hello {{name}}</b>!", name=name)


@app.get("/todo")
def todo():
    return bottle.template("% for item in items:\n{{item}}\n% end", items=items)


@app.post("/todo")
def new():
    items.append(bottle.request.forms.getunicode("task"))
    bottle.redirect("todo")


@app.get("/files/<name>")
def files(name):
    return bottle.static_file(name, root=folder)


@app.get("/stream")
def stream():
    yield "begin "
    yield "end"


@app.get("/fail")
def fail():
    raise bottle.HTTPError(418, "teapot")


application = app
