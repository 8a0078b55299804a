//! The Python programs of "Getting Started with WSGI", unchanged.

mod support;

use gateway_core::mount;
use gateway_core::testing::Client;
use gateway_wsgi::Wsgi;
use support::{program, validated};

fn article(name: &str) -> Wsgi {
    let import = Wsgi::import(format!("article:{name}"));
    import.python_path(program("")).load().unwrap()
}

#[test]
fn the_first_program_greets() {
    let client = Client::new(article("hello_world_1"));
    client.get("/").send().assert_contains("Hello World!");
    let john = client.get("/?subject=%3CJohn%3E").send();
    john.assert_contains("Hello &lt;John&gt;!")
        .assert_header("content-type", "text/html");
}

#[test]
fn the_dispatching_application_runs_at_the_root_and_below_a_mount() {
    for validate in [false, true] {
        let app = match validate {
            true => validated(&article("application")),
            false => article("application"),
        };
        for prefix in ["", "/article"] {
            let client = match prefix {
                "" => Client::of_service(app.clone().into_service()),
                prefix => Client::of_service(mount(prefix, app.clone().into_service()).unwrap()),
            };
            let get = |path: &str| client.get(&format!("{prefix}{path}")).send();
            get("/").assert_contains("`continue <hello/>`_");
            get("/hello/").assert_contains("Hello World!");
            get("/hello/J%C3%BCrgen").assert_status(200);
            get("/nowhere").assert_status(404).assert_text("Not Found");
        }
    }
}

#[test]
fn its_exception_middleware_answers_what_fails_first() {
    let answer = Client::new(article("failing_application")).get("/").send();
    answer
        .assert_status(500)
        .assert_header("content-type", "text/plain");
    answer.assert_contains("Traceback (most recent call last):");
    answer.assert_contains("ValueError: the article has one, too");
}

#[test]
fn and_appends_where_the_response_has_begun() {
    let answer = Client::new(article("late_application")).get("/").send();
    answer
        .assert_status(200)
        .assert_contains("begun\nTraceback");
    answer.assert_contains("ValueError: after the first piece");
}
