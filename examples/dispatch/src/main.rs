//! The article's application: a list of regular expressions, tried in order, and a function for
//! each.

use gateway_core::{Application, Environ, Reply, escape};
use gateway_server::{Outcome, http::Server};
use regex::Regex;
use std::sync::LazyLock;

/// A link to the hello page.
fn index(_: &mut Environ) -> Reply {
    Reply::html(
        "<h1>Hello World Application</h1>\n<p>This is the Hello World application:</p>\n<p><a href=\"hello/\">continue</a></p>\n",
    )
}

/// Greets the name in the URL.
fn hello(environ: &mut Environ) -> Reply {
    let subject = environ
        .get::<UrlArgs>()
        .and_then(|args| args.0.first().cloned());
    let subject = subject.unwrap_or_else(|| "World".into());
    Reply::html(format!(
        "<h1>Hello {0}</h1>\n<p>Hello {0}!</p>\n",
        escape(&subject)
    ))
}

#[derive(Clone)]
struct UrlArgs(Vec<String>);

type View = fn(&mut Environ) -> Reply;

static URLS: LazyLock<Vec<(Regex, View)>> = LazyLock::new(|| {
    let urls: [(&str, View); 3] = [
        (r"^$", index),
        (r"hello/?$", hello),
        (r"hello/(.+)$", hello),
    ];
    urls.map(|(pattern, view)| (Regex::new(pattern).unwrap(), view))
        .into()
});

fn application(environ: &mut Environ) -> Reply {
    let Ok(path) = environ.path_str() else {
        return Reply::not_found();
    };
    let path = path.trim_start_matches('/').to_owned();
    for (pattern, view) in URLS.iter() {
        if let Some(found) = pattern.captures(&path) {
            let groups = found.iter().skip(1).flatten();
            environ.insert(UrlArgs(groups.map(|group| group.as_str().into()).collect()));
            return view(environ);
        }
    }
    Reply::not_found()
}

#[tokio::main]
async fn main() -> std::io::Result<Outcome> {
    let server = Server::bind("127.0.0.1:8080")?;
    println!("listening on http://{}", server.local_addr()?);
    server.serve(application.into_service()).await
}
