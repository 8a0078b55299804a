use std::time::Duration;

use gateway_core::request::{Addr, ConnInfo};
use gateway_core::testing::Client;
use gateway_core::{Environ, Error, Reply};
use gateway_web::cookies::SameSite;
use gateway_web::testing::Browser;
use gateway_web::{CookieKeys, EnvironExt, ReplyExt};
use http::uri::Scheme;

#[test]
fn a_cookie_is_set_read_and_deleted() {
    fn site(environ: &mut Environ) -> Reply {
        match environ.path_str().unwrap().as_ref() {
            "/set" => Reply::text("").set_cookie(environ.new_cookie("theme", "dark; é")),
            "/delete" => Reply::text("").delete_cookie(environ.new_cookie("theme", "")),
            _ => Reply::text(environ.cookie("theme").unwrap_or_default().into_owned()),
        }
    }
    let browser = Browser::new(Client::new(site));
    let set = browser.get("/set").send();
    set.assert_header(
        "set-cookie",
        "theme=dark%3B%20%C3%A9; HttpOnly; SameSite=Lax; Path=/",
    );
    browser.get("/").send().assert_text("dark; é");
    let deleted = browser.get("/delete").send();
    deleted.assert_contains("");
    assert!(deleted.header("set-cookie").unwrap().contains("Max-Age=0"));
    browser.get("/").send().assert_text("");
}

#[test]
fn a_cookie_is_for_https_alone_where_it_was_set_over_https() {
    let conn = ConnInfo::new(Addr::Unknown, Addr::Unknown).with_scheme(Scheme::HTTPS);
    let https = Environ::builder().conn(conn).build();
    let field = https.new_cookie("a", "b").field().unwrap();
    assert_eq!(field, "a=b; HttpOnly; SameSite=Lax; Secure; Path=/");
    let cookie = https
        .new_cookie("a", "b")
        .max_age(Duration::from_secs(60))
        .same_site(SameSite::None)
        .path("/shop")
        .domain("example.com")
        .readable_by_scripts();
    let field = cookie.field().unwrap();
    assert_eq!(
        field,
        "a=b; SameSite=None; Secure; Path=/shop; Domain=example.com; Max-Age=60"
    );
}

#[test]
fn a_cookie_that_no_browser_keeps_is_an_error() {
    fn site(environ: &mut Environ) -> Reply {
        Reply::text("").set_cookie(environ.new_cookie("a", "x".repeat(4097)))
    }
    let response = Client::new(site).get("/").expecting(500).send();
    assert!(response.failure().unwrap().contains("browsers keep 4096"));
}

#[test]
fn sealed_cookies_are_read_with_their_keys_alone() {
    let (inner, other) = (CookieKeys::random(), CookieKeys::random());
    let site = gateway_core::application(move |environ: &mut Environ| -> Result<Reply, Error> {
        if environ.raw_path_info() == "/set" {
            let reply = Reply::text("")
                .set_signed_cookie(&inner, environ.new_cookie("signed", "ä=1"))
                .set_encrypted_cookie(&inner, environ.new_cookie("sealed", "ä=2"));
            return Ok(reply);
        }
        assert_eq!(environ.signed_cookie(&other, "signed"), None);
        assert_eq!(environ.encrypted_cookie(&other, "sealed"), None);
        let signed = environ.signed_cookie(&inner, "signed");
        let sealed = environ.encrypted_cookie(&inner, "sealed");
        Ok(Reply::text(format!("{signed:?} {sealed:?}")))
    });
    let browser = Browser::new(Client::new(site));
    browser.get("/set").send();
    assert!(browser.cookie("signed").unwrap().contains("%C3%A4=1"));
    assert!(!browser.cookie("sealed").unwrap().contains("=2"));
    browser
        .get("/")
        .send()
        .assert_text(r#"Some("ä=1") Some("ä=2")"#);
    // One cookie's value is no good for the other.
    let signed = browser.cookie("signed").unwrap();
    browser.set_cookie("sealed", signed);
    browser.get("/").send().assert_text(r#"Some("ä=1") None"#);
}
