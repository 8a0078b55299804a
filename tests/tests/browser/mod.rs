//! A headless Chromium, driven over WebDriver.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test uses its own part"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;
use tempfile::TempDir;

/// Chromedriver, a browser and its profile; all gone when it goes out of scope.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
    port: u16,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further arguments for the browser.
    pub(crate) async fn start_with(more: &[&str]) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver (Debian: apt-get install chromium-driver)");
        let port = port_of(&mut driver);
        let profile = tempfile::tempdir().unwrap();
        let profile_flag = format!("--user-data-dir={}", profile.path().display());
        let mut arguments = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1100,900",
            &profile_flag,
        ];
        arguments.extend(more);
        let options = json!({ "args": arguments });
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("browserName".to_owned(), "chrome".into());
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a session with chromium");
        Self {
            client,
            driver,
            port,
            _profile: profile,
        }
    }

    /// Closes the browser; without this it ends when the driver is killed.
    pub(crate) async fn end(self) {
        self.client.clone().close().await.unwrap();
    }

    /// Waits until there is one.
    pub(crate) async fn wait_for(&self, css: &str) -> Element {
        let wait = self.client.wait().at_most(Duration::from_secs(60));
        let found = wait.for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("no {css}: {error}\n{:?}", self.client.source().await),
        }
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.wait_for(css).await.text().await.unwrap()
    }

    /// Waits until the first `css` shows `text`. A click may return before the page it leads to
    /// is there, so what is found first may be the page before.
    pub(crate) async fn shows(&self, css: &str, text: &str) {
        self.until(css, text, async || self.find(css).await?.text().await)
            .await;
    }

    /// Waits until the field holds `value`.
    pub(crate) async fn holds(&self, css: &str, value: &str) {
        let held = async || {
            let value = self.find(css).await?.prop("value").await?;
            Ok(value.unwrap_or_default())
        };
        self.until(css, value, held).await;
    }

    /// Waits until the address has this path.
    pub(crate) async fn is_at(&self, path: &str) {
        let path_now = async || Ok(self.client.current_url().await?.path().to_owned());
        self.until("the address", path, path_now).await;
    }

    async fn find(&self, css: &str) -> Result<Element, CmdError> {
        self.client.find(Locator::Css(css)).await
    }

    async fn until(
        &self,
        what: &str,
        wanted: &str,
        now: impl AsyncFn() -> Result<String, CmdError>,
    ) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // Not there yet, or gone while we looked.
            let found = now().await.unwrap_or_else(|error| error.to_string());
            if found == wanted {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what} shows {found:?} and not {wanted:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn style(&self, css: &str, property: &str) -> String {
        self.wait_for(css).await.css_value(property).await.unwrap()
    }

    /// Chromedriver waits for the page that a click leads to.
    pub(crate) async fn click(&self, css: &str) {
        self.wait_for(css).await.click().await.unwrap();
    }

    /// Clicks the link with this text.
    pub(crate) async fn follow(&self, text: &str) {
        let link = self.client.find(Locator::LinkText(text)).await;
        link.unwrap_or_else(|error| panic!("no link {text}: {error}"))
            .click()
            .await
            .unwrap();
    }

    /// Replaces what a field holds.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.wait_for(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(crate) async fn press(&self, key: Key) {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.unwrap();
    }

    /// The name of what has the focus.
    pub(crate) async fn focused(&self) -> String {
        let script = "const e = document.activeElement; return (e.ariaLabel || e.innerText || e.name || '').trim()";
        let name = self.client.execute(script, Vec::new()).await.unwrap();
        name.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that is killed leaves its browser behind; one that is told to go takes it along.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
            let _ = stream.read(&mut [0; 64]);
        }
        for _ in 0..50 {
            if matches!(self.driver.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Chromedriver says which port it took.
fn port_of(driver: &mut Child) -> u16 {
    let mut stdout = BufReader::new(driver.stdout.take().unwrap());
    let mut line = String::new();
    while stdout.read_line(&mut line).unwrap() > 0 {
        let port = line.trim_end().rsplit("on port ").next().unwrap();
        // The first line only repeats what was asked for: 0.
        if let Ok(port @ 1..) = port.trim_end_matches('.').parse() {
            // It goes on writing, and must not stop where its output is not read.
            std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
            return port;
        }
        line.clear();
    }
    panic!("chromedriver did not start");
}
