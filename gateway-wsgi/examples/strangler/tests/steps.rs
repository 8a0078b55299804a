//! Every step answers as the one before.

use std::path::PathBuf;
use std::process::Command;

use gateway_core::testing::{Client, RequestBuilder, TestResponse};
use strangler::Shop;

/// A shop of its own, as `./install` makes it.
fn installed() -> Shop {
    let data = std::env::temp_dir().join(format!("shop-{}", std::process::id()));
    let install = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("install");
    let done = Command::new(install)
        .env("SHOP_DATA", &data)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    // Python takes its own copy of the environment when it starts, which is later.
    pyo3::Python::initialize();
    pyo3::Python::attach(|py| {
        use pyo3::types::PyAnyMethods;
        let environ = py.import("os").unwrap().getattr("environ").unwrap();
        environ
            .set_item("SHOP_DATA", data.to_str().unwrap())
            .unwrap();
    });
    Shop {
        data,
        ..Shop::default()
    }
}

/// As browsers ask.
fn of_this_host(request: RequestBuilder<'_>) -> TestResponse {
    request.header("host", "localhost").send()
}

#[test]
#[ignore = "needs Django"]
fn what_was_taken_over_answers_as_django_did() {
    let shop = installed();
    let steps: Vec<Client> = (1..=5)
        .map(|step| Client::of_service(shop.after(step).unwrap()))
        .collect();
    let mut rows: Vec<String> = [
        "/barcode/lamp-7.svg",
        "/barcode/INK.svg",
        "/barcode/under_score.svg",
        "/barcode/.svg",
        "/api/shipping",
        "/api/shipping?country=DE",
        "/api/shipping?country=de&grams=1",
        "/api/shipping?country=DE&country=CH&grams=7&grams=501",
        "/api/shipping?country=FR&grams=%31%30",
        "/api/shipping?country=FR&grams=+10",
        "/api/shipping?country=FR&grams=-1",
        "/api/shipping?country=FR&grams=99999999999999999999",
        "/api/shipping/",
        "/",
        "/feedback/",
        "/nowhere",
        "/static/shop/shop.css",
        "/static/nowhere.css",
    ]
    .map(str::to_owned)
    .into();
    for country in ["DE", "AT", "CH", "FR", "US"] {
        for grams in [0, 1, 500, 501, 1000, 31_500, 31_501] {
            rows.push(format!("/api/shipping?country={country}&grams={grams}"));
        }
    }
    rows.push(format!("/barcode/{}.svg", "A".repeat(40)));
    rows.push(format!("/barcode/{}.svg", "A".repeat(41)));
    for row in rows {
        let answers = steps.iter().map(|client| {
            let answer = of_this_host(client.get(&row));
            let mut text = answer.text();
            // Django makes a new token for every form.
            if let Some((before, after)) = text.split_once("csrfmiddlewaretoken") {
                text = format!("{before}{}", after.split_once('>').unwrap().1);
            }
            (
                answer.status(),
                answer.header("content-type").map(str::to_owned),
                text,
            )
        });
        let answers: Vec<_> = answers.collect();
        for (n, answer) in answers.iter().enumerate() {
            let (before, now) = (&answers[0], answer);
            assert_eq!(before.0, now.0, "{row}, step {}", n + 1);
            // The pages of a 404 are each server's own.
            if before.0 != 404 || row.starts_with("/barcode") && row.len() > 60 {
                assert_eq!(before.2, now.2, "{row}, step {}", n + 1);
            }
            if before.0 == 200 && !row.starts_with("/static") {
                assert_eq!(before.1, now.1, "{row}, step {}", n + 1);
            }
        }
    }
    let site = &steps[4];
    // What a browser does: logs in, uploads, downloads.
    let form = of_this_host(site.get("/accounts/login/?next=/stock/"));
    let cookie = |answer: &TestResponse, name: &str| {
        let mut cookies = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(|it| it.to_str().unwrap());
        let cookie = cookies.find(|it| it.starts_with(name)).expect(name);
        cookie.split(';').next().unwrap().to_owned()
    };
    let token = |page: &str| {
        let token = page.split("csrfmiddlewaretoken\" value=\"").nth(1).unwrap();
        token.split('"').next().unwrap().to_owned()
    };
    let csrf = cookie(&form, "csrftoken");
    let fields = [
        ("username", "admin"),
        ("password", "admin"),
        ("csrfmiddlewaretoken", &*token(&form.text())),
    ];
    let login = of_this_host(
        site.post("/accounts/login/?next=/stock/")
            .header("cookie", &*csrf)
            .form(&fields),
    );
    login
        .assert_status(302)
        .assert_header("location", "/stock/");
    let cookies = format!(
        "{}; {}",
        cookie(&login, "csrftoken"),
        cookie(&login, "sessionid")
    );
    let page = of_this_host(site.get("/stock/").header("cookie", &*cookies));
    let body = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{}\r\n\
         --edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"s.csv\"\r\n\r\nink,7\r\nlamp-7,1\r\n\r\n--edge--\r\n",
        token(&page.text())
    );
    let upload = site.post("/stock/").header("cookie", &*cookies);
    let upload = upload
        .header("content-type", "multipart/form-data; boundary=edge")
        .body(body);
    of_this_host(upload)
        .assert_status(302)
        .assert_header("location", "/");
    of_this_host(site.get("/")).assert_contains("<td>Ink, black</td><td>7</td>");
    let orders = of_this_host(site.get("/orders.csv")).text();
    assert_eq!(orders.lines().count(), 10_001);
    of_this_host(site.get("/admin/").header("cookie", &*cookies)).assert_contains("Products");
    // A bug in Django, and who sees what of it.
    let bug = of_this_host(site.get("/boom/").expecting(500));
    assert!(!bug.text().contains("price_of"));
    std::fs::remove_dir_all(&shop.data).unwrap();
}
