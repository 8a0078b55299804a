use std::time::Duration;

use gateway_core::paths::MountLayer;
use gateway_core::testing::{Client, TestResponse};
use gateway_core::{Application, Environ, Error, FailedBy, Reply};
use gateway_web::session::Session;
use gateway_web::testing::{Browser, ResponseExt};
use gateway_web::{CookieKeys, EnvironExt, ReplyExt, SessionLayer};
use http::StatusCode;
use tower_layer::Layer;

/// What a view does to the session is in its path.
fn site(environ: &mut Environ) -> Result<Reply, Error> {
    let path = environ.path_str()?.into_owned();
    let act = path.rsplit('/').next().unwrap_or_default();
    if act == "nothing" {
        return Ok(Reply::text("nothing"));
    }
    let session = environ.session()?;
    match act.split_once('=') {
        Some(("set", value)) => session.set("value", value)?,
        Some(("flash", text)) => session.flash("info", text)?,
        _ => {}
    }
    match act {
        "remove" => session.remove("value")?,
        "clear" => session.clear()?,
        "rotate" => session.rotate()?,
        "large" => assert_eq!(
            session
                .set("large", &"x".repeat(4000))
                .unwrap_err()
                .status(),
            500
        ),
        "flashes" => return Reply::from_json(&session.flashes()),
        "public" => return Ok(Reply::text("").header("cache-control", "max-age=60")),
        "fail" => return Err(Error::msg("failed")),
        "refuse" => {
            session.set("value", "kept")?;
            session.flash("error", "That is not yours.")?;
            return Err(Error::new(StatusCode::FORBIDDEN, "not yours"));
        }
        _ => {}
    }
    Reply::from_json(&(session.get::<String>("value"), session.id()))
}

fn layer() -> SessionLayer {
    SessionLayer::new(CookieKeys::new(&[7; 32]).unwrap())
}

fn browser() -> Browser {
    Browser::new(Client::new(layer().layer(site)))
}

fn seen(response: &TestResponse) -> (Option<String>, Option<String>) {
    response.assert_status(200);
    response.json()
}

fn value(response: &TestResponse) -> Option<String> {
    seen(response).0
}

#[test]
fn what_is_set_comes_back_and_can_be_forgotten() {
    let browser = browser();
    assert_eq!(value(&browser.get("/").send()), None);
    assert_eq!(browser.cookie("session"), None);
    let set = browser.get("/set=7").send();
    set.assert_header("vary", "cookie")
        .assert_header("cache-control", "private");
    assert_eq!(value(&browser.get("/").send()).as_deref(), Some("7"));
    // The last value gone, the cookie goes.
    assert_eq!(value(&browser.get("/remove").send()), None);
    assert_eq!(browser.cookie("session"), None);
}

#[test]
fn a_view_that_does_not_ask_changes_nothing_of_the_response() {
    let browser = browser();
    browser.get("/set=7").send();
    let response = browser.get("/nothing").send();
    response
        .assert_no_header("vary")
        .assert_no_header("set-cookie");
    let read = browser.get("/").send();
    read.assert_header("vary", "cookie")
        .assert_no_header("set-cookie");
    // What the view says of caches stays.
    browser
        .get("/public")
        .send()
        .assert_header("cache-control", "max-age=60");
}

#[test]
fn a_changed_cookie_is_no_session_and_never_an_error() {
    let browser = browser();
    browser.get("/set=7").send();
    let sealed = browser.cookie("session").unwrap();
    let mut changed = sealed.clone().into_bytes();
    changed[20] ^= 1;
    let changed = String::from_utf8_lossy(&changed).into_owned();
    let other = Browser::new(Client::new(
        SessionLayer::new(CookieKeys::random()).layer(site),
    ));
    other.get("/set=7").send();
    let foreign = other.cookie("session").unwrap();
    for tampered in [
        changed.as_str(),
        &foreign,
        "",
        "x",
        "%FF",
        "\"",
        &"A".repeat(10_000),
    ] {
        browser.set_cookie("session", tampered);
        let response = browser.get("/").send();
        assert_eq!(value(&response), None, "{tampered:?}");
    }
    // And is deleted, when it is read.
    browser.set_cookie("session", changed);
    let response = browser.get("/").send();
    assert!(response.header("set-cookie").unwrap().contains("Max-Age=0"));
    // A planted one in front of the right one does not hide it.
    let field = format!("session=planted; session={sealed}");
    let client = Client::new(layer().layer(site));
    let response = client.get("/").header("cookie", field).send();
    assert_eq!(value(&response).as_deref(), Some("7"));
}

#[test]
fn a_log_in_gives_the_session_another_id() {
    let browser = browser();
    let (_, before) = seen(&browser.get("/set=7").send());
    let planted = browser.cookie("session").unwrap();
    let (kept, after) = seen(&browser.get("/rotate").send());
    assert_eq!(kept.as_deref(), Some("7"));
    assert_ne!(before, after);
    assert_eq!(after.unwrap().len(), 32);
    // The cookie that was there before is still the session before.
    browser.set_cookie("session", planted);
    assert_eq!(seen(&browser.get("/").send()).1, before);
    // After a log-out nothing is left of it.
    browser.get("/clear").send();
    assert_eq!(browser.cookie("session"), None);
}

#[test]
fn a_session_that_would_be_too_large_is_told_and_stays_as_it_was() {
    let browser = browser();
    browser.get("/set=7").send();
    let response = browser.get("/large").send();
    assert_eq!(value(&response).as_deref(), Some("7"));
    response.assert_no_header("set-cookie");
}

#[test]
fn as_much_fits_as_the_documentation_says() {
    fn fill(environ: &mut Environ) -> Result<Reply, Error> {
        environ.session()?.set("k", &"x".repeat(2900))?;
        Ok(Reply::text(""))
    }
    let response = Client::new(layer().layer(fill)).get("/").send();
    response.assert_status(200);
    assert!(response.header("set-cookie").unwrap().len() <= 4096);
}

#[test]
fn a_message_is_shown_once() {
    let browser = browser();
    browser.get("/flash=saved").send();
    browser.get("/flash=twice").send();
    let shown: serde_json::Value = browser.get("/flashes").send().json();
    assert_eq!(
        shown,
        serde_json::json!([{"k": "info", "t": "saved"}, {"k": "info", "t": "twice"}])
    );
    assert_eq!(browser.get("/flashes").send().text(), "[]");
    assert_eq!(browser.cookie("session"), None);
}

#[test]
fn messages_that_no_page_shows_make_room_the_oldest_first() {
    let browser = browser();
    browser.get("/set=7").send();
    for number in 0..200 {
        let left = browser.get(&format!("/flash=message-{number}")).send();
        left.assert_status(200);
        assert!(left.header("set-cookie").unwrap().len() <= 4096);
    }
    // A value comes before messages.
    let long = "x".repeat(2000);
    assert_eq!(
        value(&browser.get(&format!("/set={long}")).send()),
        Some(long)
    );
    let shown: Vec<serde_json::Value> = browser.get("/flashes").send().json();
    assert!((5..100).contains(&shown.len()), "{}", shown.len());
    let first = 200 - shown.len();
    for (number, flash) in (first..).zip(&shown) {
        assert_eq!(flash["t"], format!("message-{number}"));
    }
}

#[test]
fn a_message_that_fits_no_cookie_is_told_and_drops_no_other() {
    let browser = browser();
    browser.get("/flash=saved").send();
    browser
        .get(&format!("/flash={}", "x".repeat(4000)))
        .expecting(500)
        .send();
    browser.get("/flashes").send().assert_contains("saved");
}

#[test]
fn an_old_key_is_read_and_replaced() {
    let old = browser();
    old.get("/set=7").send();
    let keys = CookieKeys::new(&[8; 32])
        .unwrap()
        .and_old(&[7; 32])
        .unwrap();
    let new = Browser::new(Client::new(SessionLayer::new(keys).layer(site)));
    new.set_cookie("session", old.cookie("session").unwrap());
    assert_eq!(value(&new.get("/").send()).as_deref(), Some("7"));
    let only_new = SessionLayer::new(CookieKeys::new(&[8; 32]).unwrap());
    let after = Browser::new(Client::new(only_new.layer(site)));
    after.set_cookie("session", new.cookie("session").unwrap());
    assert_eq!(value(&after.get("/").send()).as_deref(), Some("7"));
}

#[test]
fn the_cookie_is_of_the_mount_and_as_safe_as_the_connection() {
    let attributes = |browser: &Browser, path: &str| {
        let response = browser.get(path).send();
        let field = response.header("set-cookie").unwrap().to_owned();
        field.split_once("; ").unwrap().1.to_owned()
    };
    assert_eq!(
        attributes(&browser(), "/set=7"),
        "HttpOnly; SameSite=Lax; Path=/"
    );
    assert_eq!(
        attributes(&browser().https(), "/set=7"),
        "HttpOnly; SameSite=Lax; Secure; Path=/"
    );

    use gateway_core::Application;
    let mounted = layer().layer(site).into_inline_service();
    let mounted = MountLayer::new("/shop", mounted).unwrap();
    let service = mounted.layer((|_: &mut Environ| "outside").into_inline_service());
    let mounted = Browser::new(Client::of_service(service));
    assert_eq!(
        attributes(&mounted, "/shop/set=7"),
        "HttpOnly; SameSite=Lax; Path=/shop"
    );
    assert_eq!(value(&mounted.get("/shop/").send()).as_deref(), Some("7"));
    // Another spelling of the mount is the same path.
    mounted.forget_cookies();
    assert_eq!(
        attributes(&mounted, "/sh%6Fp/set=7"),
        "HttpOnly; SameSite=Lax; Path=/shop"
    );

    let host = layer()
        .cookie_name("__Host-session")
        .persistent()
        .idle(Duration::from_secs(60));
    let host = Browser::new(Client::new(host.layer(site))).https();
    let expected = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60";
    assert_eq!(attributes(&host, "/set=7"), expected);
}

#[test]
fn a_session_that_is_over_is_none() {
    let over = layer().idle(Duration::ZERO).lifetime(Duration::ZERO);
    let client = Client::new(over.layer(site));
    let first = client.get("/set=7").send();
    let cookie = first
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    // Whole seconds are what is kept.
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while value(&client.get("/").header("cookie", &cookie[..]).send()).is_some() {
        assert!(std::time::Instant::now() < end, "it never ends");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_change_after_the_head_is_told() {
    fn keeps(environ: &mut Environ) -> Result<Reply, Error> {
        let session = environ.session()?;
        Ok(Reply::new(gateway_core::Body::chunks(
            std::iter::once_with(move || late(&session)),
        )))
    }
    fn late(session: &Session) -> String {
        format!(
            "{} {}",
            session.set("a", "b").is_err(),
            session.flashes().is_empty()
        )
    }
    let response = Client::new(layer().layer(keeps)).get("/").send();
    response.assert_text("true true");
}

#[test]
fn without_the_layer_the_error_names_it() {
    let response = Client::new(site).get("/").expecting(500).send();
    assert!(response.failure().unwrap().contains("SessionLayer"));
}

#[test]
fn what_a_view_changed_before_it_failed_is_saved() {
    let app = || layer().layer(site);
    let service = || layer().layer(site.into_inline_service().answer_errors());
    for client in [
        Client::new(app()),
        Client::of_service(app().into_inline_service().answer_errors()),
        Client::of_service(service()),
    ] {
        let browser = Browser::new(client);
        let refused = browser.get("/refuse").expecting(403).send();
        refused
            .assert_status(403)
            .assert_header("vary", "cookie")
            .assert_text("Forbidden\n");
        assert_eq!(value(&browser.get("/").send()).as_deref(), Some("kept"));
        // What failed and changed nothing sets nothing.
        let failed = browser.get("/fail").expecting(500).send();
        failed.assert_no_header("set-cookie");
        browser.get("/flashes").send().assert_contains("not yours");
    }
}

#[test]
fn the_error_of_a_view_whose_session_is_saved_is_found_further_out() {
    let mut environ = Environ::builder().uri("/refuse").build();
    let response = layer().layer(site).respond(&mut environ).unwrap();
    let failed_by = FailedBy::of(response.extensions()).unwrap();
    assert!(failed_by.is_bare());
    assert_eq!(failed_by.error().unwrap().to_string(), "not yours");
    assert!(
        failed_by
            .location()
            .unwrap()
            .file()
            .ends_with("sessions.rs")
    );
    // Nothing to save, so the error stays one.
    let mut environ = Environ::builder().uri("/fail").build();
    assert!(layer().layer(site).respond(&mut environ).is_err());
}
