"""What is measured: a hello, an echo, a stream."""

CHUNK = b"x" * (16 * 1024)


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]


def echo(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    for _ in range(64):
        yield CHUNK


def sleep(environ, start_response):
    import time

    time.sleep(0.01)
    return hello(environ, start_response)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/echo":
        return echo(environ, start_response)
    if path == "/stream":
        return stream(environ, start_response)
    if path == "/sleep":
        return sleep(environ, start_response)
    return hello(environ, start_response)


try:
    from flask import Flask
except ImportError:
    pass
else:
    flask = Flask(__name__)

    @flask.get("/")
    def index():
        return "Hello, World!"
