//! Lists of routes while they are written, and as they are printed.

use http::Method;

use crate::{Echo, ask, build, echo, get};

#[test]
fn includes_keep_methods_and_names() {
    let articles = echo()
        .name("list")
        .get("^$", Echo("list"))
        .name("edit")
        .post("^(?<id>[0-9]+)/$", Echo("edit"));
    let router = build(echo().include("^articles/", articles));
    assert_eq!(get(&router, "/articles/").text, "list GET /articles/");
    assert_eq!(
        ask(&router, Method::POST, "/articles/3/").text,
        "edit POST /articles/3/ 3"
    );
    assert_eq!(router.url_for("edit", [("id", 3)]).unwrap(), "/articles/3/");
}

#[test]
fn the_table_prints_for_people() {
    let router = build(
        echo()
            .mount("/static", Echo("x"))
            .name("home")
            .get("^$", Echo("x"))
            .methods([Method::PUT, Method::POST], "^a$", Echo("x"))
            .route("^b$", Echo("x")),
    );
    assert_eq!(
        router.to_string(),
        "*  /static/...\nGET       ^$   home\nPUT,POST  ^a$\n*         ^b$\n"
    );
}
