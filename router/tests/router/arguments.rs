//! Groups as types of the caller's.

use std::collections::HashMap;
use std::convert::Infallible;

use gateway_core::Error;
use http::{Request, Response, StatusCode};
use router::{ParseError, RequestUrlArgs, Router};
use serde::Deserialize;
use tower::{ServiceExt, service_fn};

use crate::futures_executor;

#[derive(Debug, Deserialize, PartialEq)]
struct Article {
    year: u16,
    slug: String,
    page: Option<u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
}

fn parsed<T: for<'de> Deserialize<'de>>(pattern: &str, path: &str) -> Result<T, Error> {
    use std::sync::Mutex;
    let slot: Mutex<Option<Result<T, Error>>> = Mutex::new(None);
    let router = Router::builder()
        .get(
            pattern,
            service_fn(async |request: Request<()>| {
                *slot.lock().unwrap() = Some(request.url_args().unwrap().parse::<T>());
                Ok::<_, Infallible>(Response::new(String::new()))
            }),
        )
        .build()
        .unwrap();
    futures_executor(router.oneshot(Request::get(path).body(()).unwrap()));
    slot.into_inner()
        .unwrap()
        .unwrap_or_else(|| panic!("`{pattern}` does not match {path}"))
}

#[test]
fn arguments_are_parsed_into_structs_tuples_numbers_and_words() {
    let pattern = r"^(?<year>\d+)/(?<slug>[^/]+)(?:/(?<page>\d+))?$";
    let article = |page| Article {
        year: 2007,
        slug: "wsgi".into(),
        page,
    };
    assert_eq!(
        parsed::<Article>(pattern, "/2007/wsgi").unwrap(),
        article(None)
    );
    assert_eq!(
        parsed::<Article>(pattern, "/2007/wsgi/2").unwrap(),
        article(Some(2))
    );
    assert_eq!(
        parsed::<(u16, String, Option<u8>)>(pattern, "/2007/wsgi").unwrap(),
        (2007, "wsgi".into(), None)
    );
    assert_eq!(parsed::<u64>(r"^(\d+)$", "/42").unwrap(), 42);
    assert_eq!(parsed::<(i8,)>(r"^(-?\d+)$", "/-42").unwrap(), (-42,));
    assert_eq!(parsed::<String>("^(.*)$", "/%C3%BC").unwrap(), "ü");
    assert_eq!(
        parsed::<Order>("^(asc|desc)$", "/desc").unwrap(),
        Order::Desc
    );
    assert_eq!(
        parsed::<Vec<String>>("^(a)(b)$", "/ab").unwrap(),
        ["a", "b"]
    );
    assert_eq!(parsed::<Option<f32>>("^(.*)$", "/1.5").unwrap(), Some(1.5));
}

#[test]
fn no_groups_are_no_value() {
    for (pattern, path, id) in [
        ("^new$", "/new", None),
        ("^(?<id>[0-9]+)/edit$", "/7/edit", Some(7)),
        ("^edit(?:/(?<id>[0-9]+))?$", "/edit", None),
    ] {
        assert_eq!(parsed::<Option<u8>>(pattern, path).unwrap(), id, "{path}");
    }
    let error = parsed::<Option<u8>>("^([0-9]+)$", "/300").unwrap_err();
    assert_eq!(error.status(), StatusCode::NOT_FOUND);
    assert!(parsed::<Option<u8>>("^(.)(.)$", "/12").is_err());
}

#[test]
fn an_argument_that_does_not_fit_is_named() {
    let error = parsed::<Article>(r"^(?<year>\d+)/(?<slug>.*)$", "/70000/x").unwrap_err();
    assert_eq!(error.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        error.to_string(),
        "`70000`, the argument `year`, is not a number from 0 to 65535"
    );
    let cause = error.cause().downcast_ref::<ParseError>().unwrap();
    assert_eq!(
        (cause.field(), cause.value()),
        (Some("year"), Some("70000"))
    );
    let message = |error: Error| error.to_string();
    assert_eq!(
        message(parsed::<(u8, u8)>("^(.)/(.)$", "/1/x").unwrap_err()),
        "`x`, the argument 1, is not a number from 0 to 255"
    );
    assert_eq!(
        message(parsed::<(u8, u8)>("^(.)$", "/1").unwrap_err()),
        "the pattern has 1 groups where 2 are asked for"
    );
    assert_eq!(
        message(parsed::<u8>("^(.)(.)$", "/12").unwrap_err()),
        "the pattern has 2 groups where one is asked for"
    );
    assert_eq!(
        message(parsed::<Article>(r"^(?<year>\d+)$", "/1").unwrap_err()),
        "the argument `slug` is missing: the pattern has no such group"
    );
    assert!(
        message(parsed::<Order>("^(.*)$", "/up").unwrap_err())
            .starts_with("`up`, the argument 0, ")
    );
    assert!(
        message(parsed::<(String, u8)>("^(a)(b)?$", "/a").unwrap_err()).contains("took no part")
    );
}

#[test]
fn another_status_for_arguments_that_do_not_fit_is_a_choice() {
    let router = Router::builder()
        .get(
            "^(.*)$",
            service_fn(async |request: Request<()>| {
                let error = request
                    .url_args()
                    .unwrap()
                    .parse_or::<u8>(StatusCode::BAD_REQUEST)
                    .unwrap_err();
                Ok::<_, Infallible>(Response::new(error.status().to_string()))
            }),
        )
        .build()
        .unwrap();
    let response = futures_executor(router.oneshot(Request::get("/x").body(()).unwrap())).unwrap();
    assert_eq!(
        response.into_body().into_inner().unwrap(),
        "400 Bad Request"
    );
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Page {
    #[serde(default)]
    page: u32,
    #[serde(default = "ten")]
    size: u32,
    order: Option<Order>,
}

fn ten() -> u32 {
    10
}

#[test]
fn a_default_stands_in_for_a_group_that_took_no_part() {
    let pattern = r"^list(?:/(?<page>\d+))?(?:-(?<size>\d+))?(?:\.(?<order>asc|desc))?$";
    let page = |page, size, order| Page { page, size, order };
    for (path, expected) in [
        ("/list", page(0, 10, None)),
        ("/list/3", page(3, 10, None)),
        ("/list-5.asc", page(0, 5, Some(Order::Asc))),
    ] {
        assert_eq!(parsed::<Page>(pattern, path).unwrap(), expected, "{path}");
    }
    // A map has a key for each group.
    let map = parsed::<HashMap<String, Option<String>>>(pattern, "/list/3").unwrap();
    assert_eq!(
        (map.len(), map["page"].as_deref(), &map["size"]),
        (3, Some("3"), &None)
    );
}

#[test]
fn what_no_url_fits_is_a_mistake_of_the_program() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "page")]
        _page: u32,
    }
    #[derive(Debug, Deserialize)]
    struct List {
        #[serde(rename = "page")]
        _page: Vec<u32>,
    }
    fn status<T: for<'de> Deserialize<'de> + std::fmt::Debug>(pattern: &str, path: &str) -> u16 {
        let error = parsed::<T>(pattern, path).unwrap_err();
        let cause = error.cause().downcast_ref::<ParseError>().unwrap();
        assert_eq!(cause.is_mistake(), error.status() == 500, "{error}");
        error.status().as_u16()
    }
    for (status, expected, what) in [
        (status::<(u8, u8)>("^(.)$", "/1"), 500, "too few groups"),
        (status::<(u8, u8)>("^(.)(.)(.)$", "/123"), 500, "too many"),
        (status::<u8>("^(.)(.)$", "/12"), 500, "one of two"),
        (status::<u8>("^x$", "/x"), 500, "one of none"),
        (
            status::<Article>("^(.)(.)$", "/12"),
            500,
            "groups without names",
        ),
        (
            status::<Article>(r"^(?<year>\d+)$", "/1"),
            500,
            "a group that is not there",
        ),
        (
            status::<Strict>("^(?<page>.)(?<x>.)$", "/12"),
            500,
            "a group too many",
        ),
        (
            status::<List>("^(?<page>.)$", "/1"),
            500,
            "a list from a text",
        ),
        (
            status::<Article>(r"^(?<year>\d+)(?<slug>x)?$", "/1"),
            404,
            "a group that took no part",
        ),
        (
            status::<(u8, u8)>("^(.)(.)?$", "/1"),
            404,
            "the same by its place",
        ),
        (status::<(u8, u8)>("^(.)(.)$", "/1x"), 404, "a value"),
        (status::<Order>("^(.*)$", "/up"), 404, "a word"),
    ] {
        assert_eq!(status, expected, "{what}");
    }
}
