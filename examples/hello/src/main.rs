//! The extended hello world of "Getting Started with WSGI": `/?subject=John`.

use std::process::ExitCode;

use gateway_core::{Application, Environ, Reply, escape};
use gateway_server::http::Server;

fn hello_world(environ: &mut Environ) -> Reply {
    let subject = environ.query("subject").unwrap_or("World".into());
    Reply::html(format!(
        "<!doctype html>\n<title>Hello {0}</title>\n<h1>Hello {0}</h1>\n<p>Hello {0}!</p>\n",
        escape(&subject)
    ))
}

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", |address| {
        gateway_server::block_on(async {
            let server = Server::bind(address)?;
            println!("listening on http://{}", server.local_addr()?);
            server.serve(hello_world.into_service()).await
        })
    })
}

#[cfg(test)]
mod tests {
    use super::hello_world;
    use gateway_core::testing::Client;

    #[test]
    fn it_greets_the_world() {
        let response = Client::new(hello_world).get("/").send();
        response
            .assert_status(200)
            .assert_contains("<h1>Hello World</h1>");
    }

    #[test]
    fn it_greets_the_subject_escaped() {
        let response = Client::new(hello_world).get("/?subject=%3CJohn%3E").send();
        response.assert_contains("<p>Hello &lt;John&gt;!</p>");
    }
}
