//! One thread runs Python. Alone in its process: the interpreter's lock is the process's.

mod support;

use gateway_core::Body;
use gateway_wsgi::Wsgi;
use http::Request;
use support::app;
use tower::ServiceExt;

const WHO: &str = "
import threading
local = threading.local()
def application(environ, start_response):
    local.count = getattr(local, 'count', 0) + 1
    start_response('200 OK', [])
    return [f'{threading.get_ident()} {local.count}'.encode()]
";

async fn get(app: Wsgi) -> String {
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = app.into_service().oneshot(request).await.unwrap();
    let body = response.into_body().into_bytes().unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn it_keeps_what_the_application_keeps_by_thread() {
    let app = app(WHO);
    let mut answers = Vec::new();
    for _ in 0..200 {
        answers.push(get(app.clone()).await);
    }
    let split = |answer: &String| -> (String, usize) {
        let (ident, count) = answer.split_once(' ').unwrap();
        (ident.to_owned(), count.parse().unwrap())
    };
    let idents: Vec<String> = answers.iter().map(|it| split(it).0).collect();
    // Another may come to see whether the first gets on, and find work instead.
    let changes = idents.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes <= 20, "{changes}");
    let most = answers.iter().map(|it| split(it).1).max().unwrap();
    assert!(most >= 100, "{most}");
}
