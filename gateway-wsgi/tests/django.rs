//! Django's polls and its admin, below a mount.

mod support;

use std::process::Command;
use std::sync::OnceLock;

use gateway_core::mount;
use gateway_core::testing::{Client, RequestBuilder, TestResponse};
use gateway_wsgi::Wsgi;
use support::{packages, program, validated};

/// Django has one site a process, with one database, so all tests share it.
fn polls() -> Wsgi {
    static SITE: OnceLock<Wsgi> = OnceLock::new();
    let site = SITE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("polls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let database = folder.join("db.sqlite3");
        let manage = |arguments: &[&str]| {
            let done = Command::new(packages().join("bin/python"))
                .arg(program("django").join("manage.py"))
                .args(arguments)
                .env("DATABASE", &database)
                .env("DJANGO_SUPERUSER_PASSWORD", "secret")
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
        };
        manage(&["migrate", "--verbosity", "0"]);
        manage(&[
            "createsuperuser",
            "--no-input",
            "--username",
            "ada",
            "--email",
            "a@example.org",
        ]);
        // Python's own view of the environment was made before: it is told as a program would be.
        pyo3::Python::initialize();
        pyo3::Python::attach(|py| {
            use pyo3::types::PyAnyMethods;
            let environ = py.import("os").unwrap().getattr("environ").unwrap();
            environ
                .set_item("DATABASE", database.to_str().unwrap())
                .unwrap();
        });
        let import = Wsgi::import("mysite.wsgi:application").venv(packages());
        import.python_path(program("django")).load().unwrap()
    });
    site.clone()
}

/// A browser, as far as cookies and forms go.
struct Browser {
    client: Client,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new(client: Client) -> Self {
        Self {
            client,
            cookies: Vec::new(),
        }
    }

    fn send(&mut self, request: impl FnOnce(&Client) -> RequestBuilder<'_>) -> TestResponse {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let client = self.client.clone();
        let request = request(&client).header("host", "example.org");
        let response = request.header("cookie", cookies.join("; ")).send();
        for cookie in response.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.into(), value.into()));
        }
        response
    }

    fn get(&mut self, path: &str) -> TestResponse {
        self.send(|client| client.get(path))
    }

    /// Posts the form of the page at `page`.
    fn submit(&mut self, page: &str, to: &str, fields: &[(&str, &str)]) -> TestResponse {
        let form = self.get(page).text();
        let token = form
            .split("csrfmiddlewaretoken\" value=\"")
            .nth(1)
            .expect("a form");
        let token = token.split('"').next().unwrap().to_owned();
        let mut fields = fields.to_vec();
        fields.push(("csrfmiddlewaretoken", &token));
        self.send(|client| client.post(to).form(&fields))
    }
}

fn tour(browser: &mut Browser, prefix: &str, question: &str) {
    let at = |path: &str| format!("{prefix}{path}");
    let login = at("/admin/login/?next=/done");
    let to_login = browser.get(&at("/admin/polls/question/"));
    let there = at("/admin/login/?next=") + &at("/admin/polls/question/");
    to_login
        .assert_status(302)
        .assert_header("location", &there);
    let logged_in = browser.submit(
        &login,
        &login,
        &[
            ("username", "ada"),
            ("password", "secret"),
            ("next", "/done"),
        ],
    );
    logged_in
        .assert_status(302)
        .assert_header("location", "/done");
    let add = at("/admin/polls/question/add/");
    let added = browser.submit(
        &add,
        &add,
        &[
            ("question_text", question),
            ("pub_date_0", "2026-01-01"),
            ("pub_date_1", "12:00:00"),
            ("choice_set-TOTAL_FORMS", "2"),
            ("choice_set-INITIAL_FORMS", "0"),
            ("choice_set-0-choice_text", "Not much"),
            ("choice_set-0-votes", "0"),
            ("choice_set-1-choice_text", "The sky"),
            ("choice_set-1-votes", "0"),
        ],
    );
    added
        .assert_status(302)
        .assert_header("location", &at("/admin/polls/question/"));
    browser
        .get(&at("/admin/polls/question/"))
        .assert_contains(question);
    let index = browser.get(&at("/polls/")).text();
    let (link, _) = index
        .split_once(&format!("\">{question}<"))
        .expect("it is listed");
    let link = link.rsplit("href=\"").next().unwrap().to_owned();
    assert!(link.starts_with(&at("/polls/")), "{link}");
    let page = browser.get(&link).text();
    let choice = page.split("value=\"").filter_map(|it| it.split('"').next());
    let choice = choice
        .filter(|it| it.parse::<u32>().is_ok())
        .last()
        .unwrap()
        .to_owned();
    let vote = format!("{link}vote/");
    browser.send(|client| client.post(&vote)).assert_status(403);
    let voted = browser.submit(&link, &vote, &[("choice", &choice)]);
    voted
        .assert_status(302)
        .assert_header("location", &format!("{link}results/"));
    let results = browser.get(&format!("{link}results/"));
    results.assert_contains("The sky -- 1 vote<");
    browser
        .get(&at("/polls/votes.csv"))
        .assert_contains("The sky,1\r\n");
    browser.get(&at("/polls/999/")).assert_status(404);
}

#[test]
#[ignore = "needs Django"]
fn the_tutorial_and_the_admin_run_at_the_root_and_below_prefixes() {
    for (n, prefix) in ["", "/old", "/three/mounts/deep"].into_iter().enumerate() {
        let client = match prefix {
            "" => Client::of_service(polls().into_service()),
            prefix => Client::of_service(mount(prefix, polls().into_service()).unwrap()),
        };
        tour(
            &mut Browser::new(client),
            prefix,
            &format!("What is new? ({n})"),
        );
    }
}

#[test]
#[ignore = "needs Django"]
fn they_pass_wsgiref_validate() {
    let client = Client::of_service(validated(&polls()).into_service());
    tour(&mut Browser::new(client), "", "Is it valid?");
}

#[test]
#[ignore = "needs Django"]
fn a_threads_connection_to_the_database_is_there_for_the_next_request() {
    let client = Client::of_service(polls().into_service());
    let answers: Vec<String> = (0..50)
        .map(|_| client.get("/polls/thread/").send().text())
        .collect();
    let kept = answers.iter().filter(|it| it.ends_with("True")).count();
    assert!(kept >= 40, "{answers:?}");
}
