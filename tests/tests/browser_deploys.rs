//! Releases of a single-page application in a real browser: Debian's chromium by its chromedriver, two replicas of
//! `examples/serve` behind nginx.
//!
//! `cargo test -p conformance --test browser_deploys -- --ignored`

mod browser;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use browser::Browser;
use conformance::deploy::{Folder, Running, binary, free_port, nginx, wait_for_port};
use fantoccini::wd::WindowHandle;
use rustix::process::Signal;

/// How often pages that are open load something more of their build.
const PARTS: usize = 6;

/// What a bundler leaves: a page, and assets with hashes in their names, none of which is in another build.
fn build(folder: &Folder, number: usize) {
    let page = format!(
        "<!doctype html><title>{number}</title><link rel=icon href=data:,>\
         <link rel=stylesheet href=/assets/style-{number}BRBmoGS.css>\
         <h1>build {number}</h1><p id=script></p>\
         <script type=module src=/assets/main-{number}BRBmoGS.js></script>"
    );
    let main = format!(
        "document.querySelector('#script').textContent = 'script {number}';\n\
         window.part = name => import(`/assets/${{name}}-{number}BRBmoGS.js`).then(m => m.build, e => `broken: ${{e}}`);"
    );
    let style = format!("h1 {{ letter-spacing: {number}px }}");
    let assets = format!("releases/{number}/assets");
    fs::create_dir_all(folder.path(&assets)).unwrap();
    folder.write(&format!("{assets}/style-{number}BRBmoGS.css"), &style);
    folder.write(&format!("{assets}/main-{number}BRBmoGS.js"), &main);
    for part in 0..PARTS {
        let text = format!("export const build = {number};");
        folder.write(&format!("{assets}/part{part}-{number}BRBmoGS.js"), &text);
    }
    // From an old date a browser guesses that a page stays as it is for long.
    let path = folder.write(&format!("releases/{number}/index.html"), &page);
    let year = Duration::from_secs(365 * 86_400);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - year).unwrap();
}

/// A replica that serves one build, and what pages of other builds ask for.
struct Replica {
    port: u16,
    running: Running,
}

impl Replica {
    fn start(folder: &Folder, port: u16, number: usize) -> Self {
        let mut command = Command::new(binary("serve", "serve"));
        command
            .arg(folder.path(&format!("releases/{number}")))
            .args(["--bind", &format!("127.0.0.1:{port}")])
            .args(["--spa", "index.html", "--immutable", "assets/"])
            .arg("--previous-builds")
            .arg(folder.path("releases/*"))
            .stdout(Stdio::null());
        let running = Running::start(&mut command);
        wait_for_port(port);
        Self { port, running }
    }

    /// As a deployment restarts it.
    fn release(&mut self, folder: &Folder, number: usize) {
        self.running.signal(Signal::TERM);
        self.running.wait();
        *self = Self::start(folder, self.port, number);
    }
}

/// A page that stays open.
struct Page {
    window: WindowHandle,
    build: usize,
}

struct Visitor {
    browser: Browser,
    front: String,
    pages: Vec<Page>,
    parts: usize,
}

impl Visitor {
    /// Opens pages until one is of this build.
    async fn open(&mut self, build: usize) {
        let client = self.browser.client.clone();
        let window = client.new_window(true).await.unwrap().handle;
        client.switch_to_window(window.clone()).await.unwrap();
        for _ in 0..20 {
            let shown = self.go("/").await;
            if shown == build {
                self.pages.push(Page { window, build });
                return;
            }
        }
        panic!("no replica shows build {build}");
    }

    /// Goes to a route; the build that is shown. Page, style sheet and script are of one build.
    async fn go(&self, route: &str) -> usize {
        let client = &self.browser.client;
        client
            .goto(&format!("{}{route}", self.front))
            .await
            .unwrap();
        let heading = self.browser.text("h1").await;
        let build: usize = heading.trim_start_matches("build ").parse().unwrap();
        self.browser
            .shows("#script", &format!("script {build}"))
            .await;
        let style = self.browser.style("h1", "letter-spacing").await;
        assert_eq!(style, format!("{build}px"), "the style sheet of the page");
        build
    }

    /// Each open page loads something that it has not loaded before.
    async fn use_all_pages(&mut self, when: &str) {
        let part = self.parts;
        assert!(part < PARTS);
        self.parts += 1;
        let client = &self.browser.client;
        for Page { window, build } in &self.pages {
            client.switch_to_window(window.clone()).await.unwrap();
            let script = format!("window.part('part{part}').then(arguments[0])");
            let loaded = client.execute_async(&script, Vec::new()).await.unwrap();
            assert_eq!(loaded, *build, "{when}: a page of build {build}");
        }
    }
}

#[tokio::test]
#[ignore = "needs chromium and nginx"]
async fn open_pages_go_on_working_and_no_old_page_is_shown_while_replicas_are_replaced() {
    let folder = Folder::new();
    for number in 1..=3 {
        build(&folder, number);
    }
    let front = free_port();
    let mut one = Replica::start(&folder, free_port(), 1);
    let mut other = Replica::start(&folder, free_port(), 1);
    let replicas =
        [one.port, other.port].map(|port| format!("server 127.0.0.1:{port} max_fails=0;"));
    let conf = folder.config(
        "nginx/http.conf",
        &[
            ("server 127.0.0.1:8080;", &replicas.concat()),
            ("listen 80", &format!("listen 127.0.0.1:{front}")),
        ],
    );
    let _nginx = nginx(&folder, front, &conf);
    let mut visitor = Visitor {
        browser: Browser::start().await,
        front: format!("http://127.0.0.1:{front}"),
        pages: vec![],
        parts: 0,
    };

    visitor.open(1).await;
    visitor.use_all_pages("all replicas are of build 1").await;
    one.release(&folder, 2);
    visitor.open(2).await;
    visitor
        .use_all_pages("replicas are of builds 2 and 1")
        .await;
    other.release(&folder, 2);
    visitor.use_all_pages("all replicas are of build 2").await;
    one.release(&folder, 3);
    visitor.open(3).await;
    visitor
        .use_all_pages("replicas are of builds 3 and 2")
        .await;
    other.release(&folder, 3);
    visitor.use_all_pages("all replicas are of build 3").await;

    // Whatever this browser has kept: who comes now sees what there is now.
    for window in visitor.pages.iter().map(|page| page.window.clone()) {
        let client = &visitor.browser.client;
        client.switch_to_window(window).await.unwrap();
        for route in ["/", "/users/42", "/"] {
            assert_eq!(visitor.go(route).await, 3, "{route}");
        }
    }
    visitor.browser.end().await;
}
