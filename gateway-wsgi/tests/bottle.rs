//! Bottle's tutorial, and Werkzeug's test application.

mod support;

use gateway_core::mount;
use gateway_core::testing::Client;
use gateway_wsgi::Wsgi;
use support::{packages, program, validated};

fn bottled() -> Wsgi {
    let import = Wsgi::import("bottled").venv(packages());
    import.python_path(program("")).load().unwrap()
}

#[test]
#[ignore = "needs Bottle"]
fn the_tutorial_runs() {
    let client = Client::of_service(mount("/b", bottled().into_service()).unwrap());
    client
        .get("/b/hello/%3Cada%3E")
        .send()
        .assert_text("<b>Hello &lt;ada&gt;</b>!");
    let redirect = client
        .post("/b/todo")
        .header("host", "x")
        .form(&[("task", "wash")])
        .send();
    redirect
        .assert_status(303)
        .assert_header("location", "http://x/b/todo");
    client.get("/b/todo").send().assert_contains("wash");
    let file = client.get("/b/files/hello.txt").send();
    file.assert_text("Hello from a file")
        .assert_header("content-length", "17");
    client.get("/b/stream").send().assert_text("begin end");
    client.get("/b/fail").send().assert_status(418);
    client.get("/b/nowhere").send().assert_status(404);
}

#[test]
#[ignore = "needs Bottle"]
fn the_tutorial_passes_wsgiref_validate() {
    let client = Client::of_service(validated(&bottled()).into_service());
    client
        .get("/hello/ada")
        .send()
        .assert_text("<b>Hello ada</b>!");
    client
        .post("/todo")
        .form(&[("task", "dry")])
        .send()
        .assert_status(303);
    client.get("/stream").send().assert_text("begin end");
}

#[test]
#[ignore = "needs Werkzeug"]
fn werkzeugs_test_application_shows_our_environ() {
    let import = Wsgi::import("werkzeug.testapp:test_app").venv(packages());
    let app = import.load().unwrap();
    let client = Client::of_service(mount("/test", validated(&app).into_service()).unwrap());
    let page = client.get("/test/app?x=1").send();
    page.assert_status(200)
        .assert_contains("wsgi.multithread")
        .assert_contains("&#39;/test&#39;");
}
