use std::collections::HashMap;

use gateway_core::testing::Client;
use gateway_core::{Environ, Error, Reply};
use gateway_web::json::JsonError;
use gateway_web::testing::{Browser, ResponseExt};
use gateway_web::{EnvironExt, Form, FormErrors, ReplyExt};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Book {
    title: String,
    year: Option<u16>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "gateway_web::forms::checkbox")]
    in_stock: bool,
}

fn parsed(form: &str) -> Result<Book, gateway_web::forms::FormError> {
    Form::from_encoded(form.as_bytes()).parse()
}

#[test]
fn lists_options_and_checkboxes_are_read_as_browsers_send_them() {
    let book = |year, tags: &[&str], in_stock| Book {
        title: "a".to_owned(),
        year,
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        in_stock,
    };
    for (form, expected) in [
        ("title=a", book(None, &[], false)),
        ("title=a&year=", book(None, &[], false)),
        ("title=a&year=1851&in_stock=on", book(Some(1851), &[], true)),
        ("tags=x&title=a&tags=y", book(None, &["x", "y"], false)),
        ("title=a&tags=x", book(None, &["x"], false)),
        ("title=a&unknown=1", book(None, &[], false)),
    ] {
        assert_eq!(parsed(form).as_ref(), Ok(&expected), "{form}");
    }
}

#[test]
fn the_first_field_that_does_not_fit_is_named() {
    for (form, field) in [
        ("title=a&year=soon", "year"),
        ("title=a&year=70000", "year"),
        ("title=a&in_stock=maybe", "in_stock"),
        ("title=a&title=b", "title"),
    ] {
        let error = parsed(form).unwrap_err();
        assert_eq!(error.field(), field, "{form}: {error}");
    }
    assert_eq!(
        parsed("year=1").unwrap_err().to_string(),
        "missing field `title`"
    );
}

#[test]
fn a_form_is_shown_again_with_what_was_typed_and_all_its_errors() {
    let form = Form::from_encoded(b"title=&year=soon&tags=x&tags=y");
    assert_eq!(form.get_all("tags").collect::<Vec<_>>(), ["x", "y"]);
    let mut errors = FormErrors::default();
    if form.is_blank("title") {
        errors.add("title", "A book has a title.");
    }
    errors.extend(form.parse::<Book>().err());
    let shown = serde_json::to_value((&form, &errors)).unwrap();
    let expected = serde_json::json!([
        { "tags": "x", "title": "", "year": "soon" },
        { "title": "A book has a title.", "year": "invalid digit found in string" },
    ]);
    assert_eq!(shown, expected);
}

#[test]
fn queries_and_forms_are_refused_with_their_status() {
    fn site(environ: &mut Environ) -> Result<Reply, Error> {
        if environ.method() == "GET" {
            environ.parse_query::<Book>()?;
        } else {
            environ.parse_form::<Book>(50)?;
        }
        Ok(Reply::text("fits"))
    }
    let client = Client::new(site);
    client.get("/?title=a").send().assert_status(200);
    client.get("/?title=a&year=x").send().assert_status(400);
    client
        .post("/")
        .form(&[("title", "a")])
        .send()
        .assert_status(200);
    client
        .post("/")
        .form(&[("title", "a"), ("year", "x")])
        .send()
        .assert_status(422);
    client
        .post("/")
        .form(&[("title", &"a".repeat(50))])
        .send()
        .assert_status(413);
    client.post("/").body("title=a").send().assert_status(415);
}

#[test]
fn json_goes_in_and_out() {
    fn echo(environ: &mut Environ) -> Result<Reply, Error> {
        let books: HashMap<String, Vec<Book>> = environ.read_json(200)?;
        Reply::from_json(&books)
    }
    let browser = Browser::new(Client::new(echo));
    let body = serde_json::json!({ "books": [{ "title": "a", "year": 1 }] });
    let echoed: serde_json::Value = browser.post("/").json(&body).expecting(200).send().json();
    assert_eq!(echoed["books"][0]["year"], 1);

    for (body, status, message) in [
        ("{", 400, "the body is not JSON"),
        ("{} {}", 400, "the body is not JSON"),
        (&"[".repeat(199), 422, "does not fit"),
        (
            r#"{"a":[{"title":"x"},{"title":7}]}"#,
            422,
            "`a[1].title` of the body does not fit",
        ),
        (r#"{"a":[{}]}"#, 422, "`a[0]` of the body does not fit"),
        (&" ".repeat(201), 413, ""),
    ] {
        let mut environ = Environ::builder()
            .method("POST")
            .header("content-type", "application/json")
            .body(body.to_owned())
            .build();
        let error = echo(&mut environ).unwrap_err();
        assert_eq!(error.status(), status, "{body}: {error}");
        assert!(error.to_string().contains(message), "{error}");
        if status != 413 {
            assert!(error.cause().is::<JsonError>(), "{body}");
        }
    }
    browser
        .post("/")
        .body("text/plain", "{}")
        .expecting(415)
        .send();
}

#[test]
fn deep_json_is_an_error_and_no_overflow() {
    fn read(environ: &mut Environ) -> Result<Reply, Error> {
        environ.read_json::<serde_json::Value>(1 << 20)?;
        Ok(Reply::text(""))
    }
    let body = "[".repeat(500_000);
    Browser::new(Client::new(read))
        .post("/")
        .body("application/json", body)
        .expecting(400)
        .send();
}

#[test]
fn credentials_are_parsed_and_compared() {
    let environ = |field: &str| Environ::builder().header("authorization", field).build();
    // `Aladdin:open sesame`, of RFC 7617 section 2.
    let auth = environ("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        .basic_auth()
        .unwrap();
    assert!(auth.is("Aladdin", "open sesame"));
    assert!(!auth.is("Aladdin", "open") && !auth.is("aladdin", "open sesame"));
    assert!(!format!("{auth:?}").contains("sesame"));
    for field in [
        "Basic",
        "Basic ",
        "Basic QQ==",
        "Basic !",
        "Bearer QWxhZGRpbjpv",
        "Basic Og=x",
    ] {
        assert!(environ(field).basic_auth().is_none(), "{field}");
    }
    // `:` is an empty name and an empty password.
    assert!(environ("Basic Og==").basic_auth().unwrap().is("", ""));
    assert_eq!(
        environ("bearer abc.d-e_f~g+h/i==").bearer_token(),
        Some("abc.d-e_f~g+h/i==")
    );
    for field in [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer ==",
        "Bearer a=b",
        "Basic abc",
    ] {
        assert_eq!(environ(field).bearer_token(), None, "{field}");
    }
    let mut two = environ("Bearer a");
    two.headers_mut()
        .append("authorization", "Bearer b".parse().unwrap());
    assert_eq!(two.bearer_token(), None);
    let challenge = Reply::basic_challenge("a \"b\"").into_response().unwrap();
    assert_eq!(challenge.status(), 401);
    assert_eq!(
        challenge.headers()["www-authenticate"],
        r#"Basic realm="a \"b\"", charset="UTF-8""#
    );
}
