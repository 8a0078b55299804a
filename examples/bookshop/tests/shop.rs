//! The site by itself, with a browser for each customer.

use bookshop::{Shop, site};
use gateway_core::adapt::from_service;
use gateway_core::testing::Client;
use gateway_web::CookieKeys;
use gateway_web::testing::{Browser, MultipartForm, ResponseExt};
use serde_json::{Value, json};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand more";

fn client() -> Client {
    let shop = Shop::open(":memory:").unwrap();
    // Without a runtime, so that there are no threads to wait for.
    Client::new(from_service(site(shop, CookieKeys::random()).unwrap()))
}

fn browser() -> Browser {
    Browser::new(client())
}

fn form<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("title", "Emma"),
        ("author", "Jane Austen"),
        ("year", "1815"),
        ("cents", "980"),
        ("stock", "1"),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        fields.push((*name, *value));
    }
    fields
}

#[test]
fn every_page_is_there_and_links_its_style_by_content() {
    let browser = browser();
    for path in [
        "/",
        "/about",
        "/surprise",
        "/authors",
        "/years/1851",
        "/books",
        "/books/new",
        "/books/1",
        "/books/1/edit",
        "/basket",
        "/books.csv",
        "/api/books",
        "/api/books/1",
        "/api/authors",
    ] {
        let page = browser.get(path).send();
        assert_eq!(page.status(), 200, "{path}: {}", page.text());
    }
    let page = browser.get("/").send().text();
    let (_, link) = page.split_once("stylesheet\" href=\"").unwrap();
    let url = link.split('"').next().unwrap();
    assert!(
        url.starts_with("/static/shop.") && url.len() > "/static/shop.css".len(),
        "{url}"
    );
    let style = browser.get(url).send();
    let kept = style.header("cache-control").unwrap();
    assert!(kept.contains("immutable"), "{kept}");
}

#[test]
fn a_book_is_added_told_once_changed_and_deleted() {
    let browser = browser();
    let added = browser
        .post("/books/new")
        .form(&form(&[("title", "<Emma> & 'co'")]))
        .send();
    added
        .assert_contains("“&lt;Emma&gt; &amp; &#39;co&#39;” was saved.")
        .assert_contains("<h1>&lt;Emma&gt; &amp; &#39;co&#39;</h1>");
    assert!(!browser.get("/books/6").send().text().contains("was saved"));
    browser
        .post("/books/6/edit")
        .form(&form(&[("cents", "1000")]))
        .send()
        .assert_contains("10.00 €");
    browser
        .get("/books?words=EMMA")
        .send()
        .assert_contains("/books/6");
    browser
        .post("/books/6/delete")
        .send()
        .assert_contains("“Emma” was deleted.");
    for path in [
        "/books/6",
        "/books/6/edit",
        "/books/6/cover",
        "/books/99999999999999999999",
    ] {
        browser.get(path).expecting(404).send().assert_status(404);
    }
    browser
        .post("/books/6/edit")
        .form(&form(&[]))
        .expecting(404)
        .send()
        .assert_status(404);
}

#[test]
fn a_message_is_told_once() {
    let browser = browser();
    let page = browser.post("/books/1/buy").send();
    page.assert_status(200)
        .assert_contains("<h1>Basket</h1>")
        .assert_contains("“Moby-Dick” is in your basket.");
    let again = browser.get("/basket").send();
    assert!(!again.text().contains("is in your basket"));
}

#[test]
fn a_form_is_shown_again_with_everything_that_is_wrong() {
    let browser = browser();
    let wrong = [
        ("title", " "),
        ("year", "soon"),
        ("cents", "1.5"),
        ("stock", "-1"),
        ("author", "\"><b>"),
    ];
    let page = browser
        .post("/books/new")
        .form(&form(&wrong))
        .expecting(422)
        .send();
    for piece in [
        "A text of at most 200",
        "from 1 to 9999",
        "from 1 to 9999",
        "from 0 to 9999",
        "value=\"soon\"",
        "value=\"&quot;&gt;&lt;b&gt;\"",
    ] {
        page.assert_contains(piece);
    }
    assert_eq!(page.text().matches("A text of").count(), 1);
    let long = "x".repeat(20_000);
    browser
        .post("/books/new")
        .form(&form(&[("title", &long)]))
        .expecting(413)
        .send()
        .assert_status(413)
        .assert_contains("too much");
    for cents in [
        "",
        "0",
        "-1",
        "1.0",
        "1e3",
        "10000",
        "99999999999999999999",
        "１",
    ] {
        browser
            .post("/books/new")
            .form(&form(&[("cents", cents)]))
            .expecting(422)
            .send()
            .assert_contains("from 1 to 9999");
    }
}

#[test]
fn a_cover_is_an_image_by_its_content() {
    let browser = browser();
    let send = |name: &str, kind: &str, content: &[u8]| {
        let form = MultipartForm::new().file("cover", name, kind, content);
        browser.post("/books/1/cover").multipart(form).send().text()
    };
    for (name, content) in [
        ("a.png", &b"<svg onload=alert(1)>"[..]),
        ("", b""),
        ("b.png", b""),
    ] {
        assert!(
            send(name, "image/png", content).contains("A cover is a PNG"),
            "{name}"
        );
    }
    browser
        .get("/books/1/cover")
        .expecting(404)
        .send()
        .assert_status(404);
    assert!(send("../../x.html", "text/html", PNG).contains("The book has a new cover."));
    let cover = browser.get("/books/1/cover").send();
    cover
        .assert_header("content-type", "image/png")
        .assert_header("x-content-type-options", "nosniff");
    assert_eq!(cover.bytes(), PNG);
    let large = MultipartForm::new().file("cover", "l.png", "image/png", vec![0; (1 << 20) + 1]);
    browser
        .post("/books/1/cover")
        .multipart(large)
        .expecting(413)
        .send()
        .assert_status(413);
}

#[test]
fn a_basket_is_of_one_browser() {
    let browser = browser();
    let buy = |book: &str| browser.post(&format!("/books/{book}/buy")).send();
    browser
        .get("/basket")
        .send()
        .assert_contains("Nothing yet.");
    buy("1").assert_contains("“Moby-Dick” is in your basket.");
    buy("5").assert_contains("21.00 €");
    buy("3")
        .assert_contains("“The Time Machine” cannot be had now.")
        .assert_contains("21.00 €");
    browser
        .post("/books/99/buy")
        .expecting(404)
        .send()
        .assert_status(404);
    browser
        .post("/basket/1/remove")
        .send()
        .assert_contains("8.50 €");
    // What was deleted is in no basket any more, whatever book comes next.
    browser.post("/books/5/delete").send();
    browser.post("/books/new").form(&form(&[])).send();
    browser
        .get("/basket")
        .send()
        .assert_contains("Nothing yet.");
    buy("1");
    browser.forget_cookies();
    browser
        .get("/basket")
        .send()
        .assert_contains("Nothing yet.");
}

#[test]
fn a_basket_never_outgrows_its_cookie() {
    let browser = browser().without_redirects();
    let book =
        json!({"title": "Emma", "author": "Jane Austen", "year": 1815, "cents": 980, "stock": 1});
    for id in 6..60 {
        browser.post("/api/books").json(&book).send();
        let bought = browser.post(&format!("/books/{id}/buy")).send();
        bought.assert_status(303);
        // Messages wait in the same cookie until a page shows them.
        if id % 10 == 0 {
            browser
                .get("/about")
                .send()
                .assert_contains("is in your basket");
        }
    }
    let page = browser.get("/basket").send().text();
    assert_eq!(page.matches("/remove\"").count(), 50, "{page}");
}

#[test]
fn json_goes_in_and_out() {
    let browser = browser();
    let book =
        json!({"title": "Emma", "author": "Jane Austen", "year": 1815, "cents": 980, "stock": 1});
    let added = browser.post("/api/books").json(&book).send();
    added
        .assert_status(201)
        .assert_header("location", "/api/books/6");
    let shown: Value = browser.get("/api/books/6").send().json();
    assert_eq!((&shown["id"], &shown["cents"]), (&json!(6), &json!(980)));
    for (field, value) in [
        ("title", json!("")),
        ("year", json!(0)),
        ("cents", json!("free")),
    ] {
        let mut wrong = book.clone();
        wrong[field] = value;
        let response = browser
            .post("/api/books")
            .json(&wrong)
            .expecting(422)
            .send();
        assert_eq!(response.status(), 422, "{field}");
    }
    let missing = browser
        .get("/api/books/9")
        .header("accept", "application/json")
        .expecting(404)
        .send();
    missing.assert_header("content-type", "application/problem+json");
    assert_eq!(
        browser.get("/api/authors").send().json::<Value>()[0][0],
        "George Eliot"
    );
}

#[test]
fn csv_is_quoted_and_no_formula() {
    let browser = browser();
    browser
        .post("/books/new")
        .form(&form(&[("title", "=1+\"1\", twice")]))
        .send();
    let csv = browser.get("/books.csv").send();
    csv.assert_contains("\r\n6,\"'=1+\"\"1\"\", twice\",\"Jane Austen\",1815,980,1\r\n");
    assert!(
        csv.header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    browser
        .get("/books.csv")
        .header("range", "bytes=0-1")
        .expecting(206)
        .send()
        .assert_text("id");
}

#[test]
fn errors_look_like_the_site() {
    let client = client();
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing", 404),
        ("PUT", "/books", 405),
        ("POST", "/books/new", 415),
    ] {
        let page = client
            .request(method.parse().unwrap(), path)
            .expecting(status)
            .send();
        page.assert_status(status).assert_contains("Bookshop</a>");
    }
}

#[test]
fn another_sites_form_changes_nothing_also_below_a_mount() {
    let shop = || site(Shop::open(":memory:").unwrap(), CookieKeys::random()).unwrap();
    let mounted = gateway_core::mount("/shop", shop()).unwrap();
    for (client, mount) in [
        (Client::of_service(shop()), ""),
        (Client::of_service(mounted), "/shop"),
    ] {
        let delete = |origin: &str| {
            let request = client.post(&format!("{mount}/books/1/delete"));
            let request = request
                .header("host", "shop.example")
                .header("origin", origin);
            request.send()
        };
        for foreign in ["http://evil.example", "https://shop.example:444", "null"] {
            delete(foreign)
                .assert_status(403)
                .assert_contains("Bookshop</a>");
        }
        client
            .get(&format!("{mount}/books/1"))
            .send()
            .assert_contains(&format!("href=\"{mount}/books/1/edit\""))
            .assert_contains(&format!("href=\"{mount}/static/shop."));
        delete("http://shop.example").assert_status(303);
    }
}
