//! The article's application: a list of regular expressions, tried in order, and a function for
//! each. The patterns are the article's, and are searched for as there: `^` is where one wants it.

use std::process::ExitCode;

use gateway_core::{Application, Environ, Reply, escape};
use gateway_server::http::Server;
use router::{BuildError, Router, UrlArgs};

/// A link to the hello page.
fn index(_: &mut Environ) -> Reply {
    Reply::html(
        "<!doctype html>\n<title>Hello World Application</title>\n\
         <h1>Hello World Application</h1>\n\
         <p>This is the Hello World application: <a href=\"hello/\">continue</a></p>\n",
    )
}

/// Greets the name in the URL, if there is one.
fn hello(environ: &mut Environ) -> Reply {
    let args = environ.get::<UrlArgs>();
    let subject = args.and_then(|args| args.get(0)).unwrap_or("World");
    Reply::html(format!(
        "<!doctype html>\n<title>Hello {0}</title>\n<h1>Hello {0}</h1>\n<p>Hello {0}!</p>\n",
        escape(subject)
    ))
}

type View = fn(&mut Environ) -> Reply;

fn urls() -> Result<Router<View>, BuildError> {
    Router::<View>::builder()
        .route(r"^$", index)
        .route(r"hello/?$", hello)
        .route(r"hello/(.+)$", hello)
        .build()
}

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", serve)
}

fn serve(address: &str) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let application = urls()?;
    gateway_server::block_on(async {
        let server = Server::bind(address)?;
        println!("listening on http://{}", server.local_addr()?);
        Ok(server.serve(application.into_service()).await?)
    })
}

#[cfg(test)]
mod tests {
    use gateway_core::testing::Client;

    #[test]
    fn the_articles_urls_answer_as_in_the_article() {
        let client = Client::new(super::urls().unwrap());
        client
            .get("/")
            .send()
            .assert_status(200)
            .assert_contains("href=\"hello/\"");
        client
            .get("/hello")
            .send()
            .assert_contains("<h1>Hello World</h1>");
        client
            .get("/hello/")
            .send()
            .assert_contains("<h1>Hello World</h1>");
        client
            .get("/hello/John")
            .send()
            .assert_contains("<p>Hello John!</p>");
        client
            .get("/hello/J%C3%BCrgen")
            .send()
            .assert_contains("<p>Hello Jürgen!</p>");
        client
            .get("/hello/%3Cb%3E")
            .send()
            .assert_contains("&lt;b&gt;");
    }

    #[test]
    fn another_path_is_404() {
        let client = Client::new(super::urls().unwrap());
        client.get("/nowhere").send().assert_status(404);
    }
}
