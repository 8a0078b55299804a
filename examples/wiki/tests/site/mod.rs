//! A wiki in a directory of its own, and the words to speak of it.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test uses its own part"
)]

use std::net::{TcpListener, TcpStream};
use std::path::Path;

use gateway_core::Body;
use gateway_core::paths::Prefix;
use gateway_core::request::{Addr, ConnInfo};
use gateway_core::testing::{Client, RequestBuilder, TestResponse};
use gateway_core::validator::{Breaches, ValidatedBody, ValidatorLayer};
use http::Request;
use tempfile::TempDir;
use tower::ServiceBuilder;
use wiki::stack::{EDITS_A_MINUTE, Settings, braked};

/// The wiki with its whole stack, without sockets. When it goes out of scope, neither side may
/// have broken the contract.
pub(crate) struct Site {
    client: Client,
    mount: String,
    breaches: Breaches,
    dir: TempDir,
    /// A connection of this user's, for the wiki to find the developer at its other end: only then
    /// does it show a traceback.
    developer: TcpStream,
    _browser: TcpStream,
}

/// What a browser remembers of an edit form.
#[derive(Clone, Debug)]
pub(crate) struct EditForm {
    pub(crate) cookie: String,
    pub(crate) token: String,
    pub(crate) base: String,
}

impl Site {
    /// Mounted at `mount`, for visitors.
    pub(crate) fn at(mount: &str) -> Self {
        Self::with(mount, false, EDITS_A_MINUTE)
    }

    /// Mounted at `/wiki`, for developers.
    pub(crate) fn in_development() -> Self {
        Self::with("/wiki", true, EDITS_A_MINUTE)
    }

    /// One that takes a form a minute from each address.
    pub(crate) fn braked() -> Self {
        Self::with("/wiki", false, 1)
    }

    fn with(mount: &str, development: bool, edits: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            data: dir.path().join("deeper/data"),
            mount: Prefix::new(mount).unwrap(),
            development,
        };
        let validator = ValidatorLayer::new();
        let breaches = validator.breaches();
        let service = ServiceBuilder::new()
            .layer(validator)
            .map_request(|request: Request<_>| request.map(Body::new::<ValidatedBody<Body>>))
            .service(braked(settings, edits).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let browser = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Self {
            client: Client::of_service(service),
            mount: mount.to_owned(),
            breaches,
            dir,
            developer: listener.accept().unwrap().0,
            _browser: browser,
        }
    }

    pub(crate) fn data(&self) -> &Path {
        self.dir.path()
    }

    /// `path` is below the mount.
    pub(crate) fn request(&self, method: http::Method, path: &str) -> RequestBuilder<'_> {
        let local = Addr::from(self.developer.local_addr().unwrap());
        let conn = ConnInfo::new(self.developer.peer_addr().unwrap(), local);
        let uri = format!("{}{path}", self.mount.replace(' ', "%20"));
        self.client
            .request(method, &uri)
            .header("host", "127.0.0.1:8080")
            .conn(conn)
    }

    pub(crate) fn get(&self, path: &str) -> TestResponse {
        self.request(http::Method::GET, path).send()
    }

    /// From the very top, the mount not put in front.
    pub(crate) fn get_outside(&self, path: &str) -> TestResponse {
        self.client.get(path).send()
    }

    pub(crate) fn raw(&self, name: &str) -> String {
        let raw = self.get(&format!("/{}/raw", encoded(name)));
        raw.assert_status(200)
            .assert_header("content-type", "text/plain; charset=utf-8");
        raw.text()
    }

    /// Opens the edit form, as a new browser.
    pub(crate) fn edit_form(&self, name: &str) -> EditForm {
        let page = self.get(&format!("/{}/edit", encoded(name)));
        page.assert_status(200);
        let cookie = page
            .header("set-cookie")
            .expect("a new browser gets a cookie");
        EditForm {
            cookie: cookie.split(';').next().unwrap_or_default().to_owned(),
            token: hidden(&page.text(), "token"),
            base: hidden(&page.text(), "base"),
        }
    }

    /// Sends an edit form with further fields.
    pub(crate) fn send(
        &self,
        name: &str,
        form: &EditForm,
        fields: &[(&str, &str)],
    ) -> TestResponse {
        let mut all = vec![("token", form.token.as_str()), ("base", form.base.as_str())];
        all.extend_from_slice(fields);
        let request = self.request(http::Method::POST, &format!("/{}/edit", encoded(name)));
        request
            .header("cookie", form.cookie.as_str())
            .form(&all)
            .send()
    }

    /// Presses a button of the page `name`, as the browser that got `form`.
    pub(crate) fn press(
        &self,
        form: &EditForm,
        path: &str,
        fields: &[(&str, &str)],
    ) -> TestResponse {
        let mut all = vec![("token", form.token.as_str())];
        all.extend_from_slice(fields);
        let request = self.request(http::Method::POST, path);
        request
            .header("cookie", form.cookie.as_str())
            .form(&all)
            .send()
    }

    /// Opens the form, types and saves.
    pub(crate) fn edit(&self, name: &str, text: &str, comment: &str) -> TestResponse {
        let form = self.edit_form(name);
        let saved = self.send(name, &form, &[("text", text), ("comment", comment)]);
        saved.assert_status(303);
        saved
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.breaches.assert_none();
        }
    }
}

/// The value of a hidden field.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let start = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("no field {name}: {page}"));
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// One segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
