//! The programs of "Getting Started with WSGI" (2007) in its own calling convention, from top to
//! bottom: the dispatching application inside the exception middleware. `examples/dispatch` says
//! the same in the words of today.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use gateway_core::compat::{StartResponse, wsgi};
use gateway_core::{Application, Body, Environ, escape};
use gateway_server::http::Server;

type Application2007 = fn(&mut Environ, &mut StartResponse) -> Body;

fn index(_: &mut Environ, start_response: &mut StartResponse) -> Body {
    start_response.start("200 OK", &[("Content-Type", "text/html")]);
    "<h1>Hello World Application</h1>\n<p><a href=\"hello/\">continue</a></p>\n".into()
}

fn hello(environ: &mut Environ, start_response: &mut StartResponse) -> Body {
    let subject = environ.get::<UrlArgs>().and_then(|args| args.0.clone());
    let subject = subject.unwrap_or("World".into());
    start_response.start("200 OK", &[("Content-Type", "text/html; charset=utf-8")]);
    format!("<h1>Hello {0}</h1>\n<p>Hello {0}!</p>\n", escape(&subject)).into()
}

fn not_found(_: &mut Environ, start_response: &mut StartResponse) -> Body {
    start_response.start("404 NOT FOUND", &[("Content-Type", "text/plain")]);
    "Not Found\n".into()
}

/// `environ['myapp.url_args']`: middleware keys are types.
#[derive(Clone)]
struct UrlArgs(Option<String>);

fn application(environ: &mut Environ, start_response: &mut StartResponse) -> Body {
    let path_info = environ.path_info().into_owned();
    let path = String::from_utf8_lossy(&path_info);
    let (callback, args): (Application2007, _) = match path.trim_start_matches('/') {
        "" => (index, None),
        "hello" | "hello/" => (hello, None),
        path => match path.strip_prefix("hello/") {
            Some(name) => (hello, Some(name.to_owned())),
            None => (not_found, None),
        },
    };
    environ.insert(UrlArgs(args));
    callback(environ, start_response)
}

/// The article's `ExceptionMiddleware`: catches what the application raises and shows it as text.
/// (`middleware-exceptions` is the one to use: it knows what is safe to show, and to whom.)
fn exception_middleware(
    app: Application2007,
) -> impl Fn(&mut Environ, &mut StartResponse) -> Body + Send + Sync {
    move |environ, start_response| match catch_unwind(AssertUnwindSafe(|| {
        app(environ, start_response)
    })) {
        Ok(body) => body,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map_or("panic", |text| text);
            let headers = [("Content-Type", "text/plain")];
            start_response.start_again("500 INTERNAL SERVER ERROR", &headers, "panic");
            format!("Traceback (most recent call last):\n{text}\n").into()
        }
    }
}

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", |address| {
        gateway_server::block_on(async {
            let server = Server::bind(address)?;
            println!("listening on http://{}", server.local_addr()?);
            let application = wsgi(exception_middleware(application));
            server.serve(application.into_service()).await
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::testing::Client;

    #[test]
    fn the_articles_urls_answer_as_in_the_article() {
        let client = Client::new(wsgi(application));
        client
            .get("/")
            .send()
            .assert_status(200)
            .assert_contains("hello/");
        client
            .get("/hello")
            .send()
            .assert_contains("<h1>Hello World</h1>");
        client
            .get("/hello/John")
            .send()
            .assert_contains("<p>Hello John!</p>");
        client
            .get("/hello/%3Cb%3E")
            .send()
            .assert_contains("&lt;b&gt;");
        client
            .get("/nowhere")
            .send()
            .assert_status(404)
            .assert_text("Not Found\n");
    }

    #[test]
    fn the_exception_middleware_shows_what_was_raised() {
        let failing: Application2007 = |_, _| panic!("{}", "boom");
        let client = Client::new(wsgi(exception_middleware(failing)));
        let response = client.get("/").expecting(500).send();
        response.assert_text("Traceback (most recent call last):\nboom\n");
    }
}
