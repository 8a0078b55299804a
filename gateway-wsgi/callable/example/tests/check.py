"""The Rust site as Python sees it: below wsgiref.validate, by wsgiref, by gunicorn."""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from rust_site import application

VALIDATED = validator(application)


def call(path, method="GET", body=b"", app=VALIDATED, **variables):
    """Status, fields and body of one call."""
    environ = {"SCRIPT_NAME": "", "PATH_INFO": path, "REQUEST_METHOD": method, "QUERY_STRING": ""}
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body + b"the next request")
    environ["wsgi.errors"] = io.StringIO()
    environ.update(variables)
    setup_testing_defaults(environ)
    answer = []
    iterable = app(environ, lambda status, fields, exc_info=None: answer.extend([status, dict(fields)]) or print)
    try:
        text = b"".join(iterable)
    finally:
        if hasattr(iterable, "close"):
            iterable.close()
    return answer[0], answer[1], text, environ


class Call(unittest.TestCase):
    def test_a_page(self):
        status, fields, text, _ = call("/", QUERY_STRING="subject=%3CJohn%3E")
        self.assertEqual((status, text), ("200 OK", b"<h1>Hello &lt;John&gt;</h1>\n"))
        self.assertEqual(fields["content-length"], str(len(text)))

    def test_an_input_is_read_to_its_length_and_not_beyond(self):
        body = os.urandom(300_000)
        status, _, text, environ = call("/echo", "POST", body)
        self.assertEqual((status, text), ("200 OK", body))

    def test_a_stream_comes_in_pieces(self):
        environ = {"SCRIPT_NAME": "", "PATH_INFO": "/stream"}
        setup_testing_defaults(environ)
        pieces = list(application(environ, lambda *_: print))
        self.assertEqual(pieces, [b"0\n", b"1\n", b"2\n"])
        self.assertEqual(call("/stream")[2], b"0\n1\n2\n")

    def test_paths_and_mounts(self):
        text = call("/environ", SCRIPT_NAME="/a b", HTTP_X_ONE="1", REMOTE_USER="ada")[2].decode()
        for line in ["SCRIPT_NAME=/a b", "PATH_INFO=/environ", "HTTP_X_ONE=1", "REMOTE_USER=ada"]:
            self.assertIn(line + "\n", text)
        self.assertNotIn("HTTP_PROXY", call("/environ", HTTP_PROXY="http://evil")[2].decode())

    def test_errors_go_to_the_servers_stream(self):
        errors = io.StringIO()
        call("/log", **{"wsgi.errors": errors})
        self.assertEqual(errors.getvalue(), "a line for the operator\n")

    def test_bodiless_answers(self):
        status, fields, text, _ = call("/empty")
        self.assertEqual((status, text), ("204 No Content", b""))
        status, fields, text, _ = call("/", "HEAD")
        self.assertEqual((status, text), ("200 OK", b""))

    def test_failures(self):
        self.assertEqual(call("/teapot")[0], "418 I'm a teapot")
        self.assertEqual(call("/nowhere")[0], "404 Not Found")
        for path, text in [("/fail", "it failed"), ("/panic", "it panicked"), ("/cut", "cut short")]:
            with self.assertRaisesRegex(RuntimeError, text):
                call(path)
        cut = {"CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(b"123")}
        self.assertEqual(call("/echo", "POST", **cut)[0], "400 Bad Request")
        self.assertEqual(call("/", app=application, CONTENT_LENGTH="x")[0], "400 Bad Request")

    def test_a_service_that_needs_a_runtime(self):
        self.assertEqual(call("/slow")[2], b"slept\n")


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return answer.read()


class Serve(unittest.TestCase):
    def check(self, port):
        self.assertEqual(get(port, "/?subject=you"), b"<h1>Hello you</h1>\n")
        self.assertEqual(get(port, "/stream"), b"0\n1\n2\n")
        self.assertEqual(get(port, "/slow"), b"slept\n")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/echo", data=b"x" * 100_000)
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.assertEqual(len(answer.read()), 100_000)
        with self.assertRaises(urllib.error.HTTPError) as failed:
            get(port, "/panic")
        failed.exception.close()
        self.assertEqual(failed.exception.code, 500)
        self.assertEqual(get(port, "/?subject=again"), b"<h1>Hello again</h1>\n")

    def test_wsgiref(self):
        class Quiet(WSGIRequestHandler):
            def log_message(self, *_):
                pass

            def get_stderr(self):
                return io.StringIO()

        server = make_server("127.0.0.1", 0, VALIDATED, handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.check(server.server_port)
        server.shutdown()
        server.server_close()

    def test_gunicorn_which_forks_after_loading(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--threads", "2", "--bind",
                   f"127.0.0.1:{port}", "--log-level", "critical", "rust_site"]
        server = subprocess.Popen(command)
        try:
            for _ in range(600):
                try:
                    get(port, "/")
                    break
                except OSError:
                    time.sleep(0.1)
            for _ in range(5):
                self.check(port)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


if __name__ == "__main__":
    unittest.main()
