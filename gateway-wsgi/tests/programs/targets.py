def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"found"]


class site:
    app = staticmethod(application)


def make():
    return application
