use gateway_core::testing::Client;
use gateway_core::{Application, Body, Environ, Error, Reply, Response};
use gateway_web::testing::Browser;
use gateway_web::{CookieKeys, EnvironExt, SessionLayer, StateLayer, Templates, Version, values};
use middleware_static::AssetManifest;
use minijinja::Environment;
use router::{IntoPattern, Router};
use tower_layer::Layer;

type View = fn(&mut Environ) -> Result<Reply, Error>;

fn urls() -> Router<View> {
    fn book(environ: &mut Environ) -> Result<Reply, Error> {
        environ.render("book.html", values! { id => environ.parse_url::<u32>()? })
    }
    fn save(environ: &mut Environ) -> Result<Reply, Error> {
        environ.flash("success", "Saved <it>.")?;
        environ.redirect_to("book", [7])
    }
    Router::<View>::builder()
        .get(r"^books/(?<id>[0-9]+)$".named("book"), book)
        .post(r"^books/$".named("save"), save)
        .build()
        .unwrap()
}

const BASE: &str =
    "{% macro link(id) %}<a href=\"{{ url_for('book', id=id) }}\">{{ id }}</a>{% endmacro %}";

fn templates(book: &'static str) -> Templates {
    let mut environment = Environment::new();
    environment.add_template("base.html", BASE).unwrap();
    environment.add_template("book.html", book).unwrap();
    Templates::new(environment)
}

fn site(book: &'static str) -> impl Application + Clone {
    let site = templates(book).layer(urls());
    SessionLayer::new(CookieKeys::random()).layer(site)
}

fn mounted(site: impl Application + Clone) -> Browser {
    let service = site.into_inline_service().answer_errors();
    Browser::new(Client::of_service(
        gateway_core::mount("/shop", service).unwrap(),
    ))
}

#[test]
fn urls_can_be_relative_to_the_page_that_they_stand_on() {
    let book = "{% from 'base.html' import link %}{{ link(3) }} {{ url_for('book', 7) }}";
    let site = SessionLayer::new(CookieKeys::random())
        .layer(templates(book).relative_urls().layer(urls()));
    let expected = "<a href=\"./3\">3</a> ./7";
    Browser::new(Client::new(site.clone()))
        .get("/books/7")
        .send()
        .assert_text(expected);
    mounted(site)
        .get("/shop/books/7")
        .send()
        .assert_text(expected);
}

#[test]
fn urls_have_the_mount_in_front_in_macros_as_well() {
    let book = "{% from 'base.html' import link %}{{ link(3) }} {{ url_for('book', 4) }} {{ script_name }}";
    let expected = "<a href=\"/books/3\">3</a> /books/4 ";
    Browser::new(Client::new(site(book)))
        .get("/books/7")
        .send()
        .assert_text(expected);
    let expected = "<a href=\"/shop/books/3\">3</a> /shop/books/4 /shop";
    mounted(site(book))
        .get("/shop/books/7")
        .send()
        .assert_text(expected);
}

#[test]
fn a_url_that_cannot_be_is_an_error_that_says_why() {
    let browser = Browser::new(Client::new(site("{{ url_for('book', 'x') }}")));
    let response = browser.get("/books/7").expecting(500).send();
    assert!(
        response.failure().unwrap().contains("`x` does not match"),
        "{response:?}"
    );
    let browser = Browser::new(Client::new(site("{{ url_for('nowhere') }}")));
    browser.get("/books/7").expecting(500).send();
}

#[test]
fn a_message_is_shown_after_the_redirect_and_once() {
    let book = "{% for flash in flashes() %}{{ flash.kind }}: {{ flash.text }}{% endfor %}";
    for browser in [Browser::new(Client::new(site(book))), mounted(site(book))] {
        let prefix = if browser.get("/books/7").send().status() == 200 {
            ""
        } else {
            "/shop"
        };
        let saved = browser.post(&format!("{prefix}/books/")).send();
        saved.assert_text("success: Saved &lt;it&gt;.");
        browser
            .get(&format!("{prefix}/books/7"))
            .send()
            .assert_text("");
    }
}

#[test]
fn a_redirect_to_a_route_is_relative_and_303_after_post() {
    let browser = mounted(site("")).without_redirects();
    let response = browser.post("/shop/books/").send();
    response.assert_status(303).assert_header("location", "./7");
    let get = Environ::builder().build();
    let response = get.redirect("./x").into_response().unwrap();
    assert_eq!(response.status(), 302);
    for (target, location) in [
        ("/a?b", "/a?b"),
        ("//evil.example", "./"),
        ("https://evil.example", "./"),
    ] {
        let response = get.redirect_within(target, "./").into_response().unwrap();
        assert_eq!(response.headers()["location"], location);
    }
}

#[test]
fn markup_in_values_is_text_in_either_quotes() {
    let mut environment = Environment::new();
    let source = "<a href='{{ url }}' title=\"{{ text }}\">{{ text }}</a>{{ safe|safe }}";
    environment.add_template("a.html", source).unwrap();
    environment.add_template("a.txt", "{{ text }}").unwrap();
    let templates = Templates::new(environment);
    let environ = Environ::builder().build();
    let values = values! { url => "/o'neill/?a=1&b", text => "<\"&'/>", safe => "<b>" };
    let page = templates.text(&environ, "a.html", &values).unwrap();
    let text = "&lt;&quot;&amp;&#39;/&gt;";
    assert_eq!(
        page,
        format!("<a href='/o&#39;neill/?a=1&amp;b' title=\"{text}\">{text}</a><b>")
    );
    assert_eq!(
        templates.text(&environ, "a.txt", &values).unwrap(),
        "<\"&'/>"
    );
}

#[test]
fn assets_have_their_content_in_their_names_and_the_mount_in_front() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("shop.css"), "a{}").unwrap();
    let assets = AssetManifest::new(root.path()).base("/static");
    let templates = templates("{{ asset_url('shop.css') }}").assets(&assets);
    let site = templates.layer(urls());
    let page = mounted(site).get("/shop/books/7").send().text();
    assert!(
        page.starts_with("/shop/static/shop.") && page.ends_with(".css"),
        "{page}"
    );
    let site = templates.external_prefix("/outer").layer(urls());
    let page = Browser::new(Client::new(site))
        .get("/books/7")
        .send()
        .text();
    assert!(page.starts_with("/outer/static/shop."), "{page}");
}

#[test]
fn templates_of_a_directory_escape_whatever_they_are_called() {
    fn page(environ: &mut Environ) -> Result<Reply, Error> {
        let name = environ.path_str()?.trim_start_matches('/').to_owned();
        environ.render(&name, values! { text => "<script>" })
    }
    let root = tempfile::tempdir().unwrap();
    let client = Client::new(Templates::from_directory(root.path()).layer(page));
    for (name, shown) in [
        ("page.html", "&lt;script&gt;"),
        ("page.jinja", "&lt;script&gt;"),
        ("icon.svg", "&lt;script&gt;"),
        ("page", "&lt;script&gt;"),
        ("mail.txt", "<script>"),
    ] {
        std::fs::write(root.path().join(name), "{{ text }}").unwrap();
        client.get(&format!("/{name}")).send().assert_text(shown);
    }
}

#[test]
fn templates_of_a_directory_are_read_anew_in_development() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("book.html"), "one").unwrap();
    let templates = Templates::from_directory(root.path());
    let browser = Browser::new(Client::new(templates.layer(urls())));
    browser.get("/books/7").send().assert_text("one");
    std::fs::write(root.path().join("book.html"), "two").unwrap();
    let expected = if cfg!(debug_assertions) { "two" } else { "one" };
    browser.get("/books/7").send().assert_text(expected);
}

#[test]
fn what_views_share_is_found_by_its_type() {
    fn view(environ: &mut Environ) -> Result<Reply, Error> {
        Ok(Reply::text(format!(
            "{} {}",
            environ.state::<String>()?,
            environ.state::<u32>()?
        )))
    }
    let site = StateLayer::new(7_u32).layer(StateLayer::new("a".to_owned()).layer(view));
    Client::new(site).get("/").send().assert_text("a 7");
    let response = Client::new(view).get("/").expecting(500).send();
    assert!(response.failure().unwrap().contains("StateLayer"));
}

#[test]
fn a_page_that_the_client_has_is_not_made() {
    fn page(environ: &mut Environ) -> Result<Reply, Error> {
        let version = Version::of("7").header(http::header::CACHE_CONTROL, "no-cache".parse()?);
        environ.conditional(version, |environ| {
            assert!(environ.header("x-made").is_some(), "made in vain");
            Ok(Reply::html("page"))
        })
    }
    let client = Client::new(page);
    let made = client.get("/").header("x-made", "1").send();
    made.assert_text("page")
        .assert_header("etag", "\"7\"")
        .assert_header("cache-control", "no-cache");
    for (field, value) in [("if-none-match", "\"6\", W/\"7\""), ("if-none-match", "*")] {
        let known = client.get("/").header(field, value).send();
        known
            .assert_status(304)
            .assert_header("etag", "\"7\"")
            .assert_header("cache-control", "no-cache");
    }
    let put = || client.request(http::Method::PUT, "/");
    put().header("if-match", "\"6\"").send().assert_status(412);
    put().header("if-none-match", "*").send().assert_status(412);
    put()
        .header("if-match", "\"7\"")
        .header("x-made", "1")
        .send()
        .assert_status(200);
}

#[test]
fn a_date_makes_a_page_conditional_as_well() {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    fn at(time: SystemTime) -> impl Fn(&mut Environ) -> Result<Reply, Error> {
        move |environ| environ.conditional(Version::modified(time), |_| Ok(Reply::html("page")))
    }
    let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let client = Client::new(gateway_core::application(at(time)));
    client.get("/").send().assert_header("last-modified", date);
    client
        .get("/")
        .header("if-modified-since", date)
        .send()
        .assert_status(304);
    client
        .get("/")
        .header("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")
        .send()
        .assert_status(200);
    // RFC 9110 section 8.8.2.1.
    let future = SystemTime::now() + Duration::from_secs(3600);
    let client = Client::new(gateway_core::application(at(future)));
    client.get("/").send().assert_no_header("last-modified");
}

#[test]
fn a_finished_page_is_known_by_its_content() {
    fn page(environ: &mut Environ) -> Result<Response, Error> {
        let reply = match environ.query("as").as_deref() {
            Some("missing") => Reply::text("x").with_status(http::StatusCode::NOT_FOUND),
            Some("tagged") => Reply::text("x").header("etag", "\"own\""),
            Some("stream") => Reply::new(Body::chunks(["x", "y"])),
            other => Reply::text(format!("{other:?}")),
        };
        environ.tagged(reply.header("cache-control", "no-cache"))
    }
    let client = Client::new(page);
    let first = client.get("/").send();
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    let again = client.get("/").header("if-none-match", &*etag).send();
    again
        .assert_status(304)
        .assert_header("etag", &etag)
        .assert_header("cache-control", "no-cache")
        .assert_no_header("content-type")
        .assert_text("");
    let other = client.get("/?as=other").header("if-none-match", &*etag);
    other
        .send()
        .assert_status(200)
        .assert_text("Some(\"other\")");
    let post = client.post("/").header("if-none-match", &*etag).send();
    post.assert_status(200).assert_no_header("etag");
    for (query, status, etag) in [
        ("missing", 404, None),
        ("tagged", 200, Some("\"own\"")),
        ("stream", 200, None),
    ] {
        let path = format!("/?as={query}");
        let response = client.get(&path).header("if-none-match", "*").send();
        response.assert_status(status);
        assert_eq!(response.header("etag"), etag, "{query}");
    }
}
