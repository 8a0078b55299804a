//! What a site says of its sessions.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::bare_answer;
use gateway_core::{Error, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use tower_layer::Layer;

use super::handle::Session;
use super::settings::Settings;
use crate::around::{Around, Head, Surround};
use crate::cookies::{CookieKeys, SameSite};

/// Gives the views inside a [`Session`]: a few values that a client keeps for the site in an encrypted cookie.
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Environ, Error, Reply};
/// use gateway_web::{CookieKeys, EnvironExt, SessionLayer};
/// use tower_layer::Layer;
///
/// fn count(environ: &mut Environ) -> Result<Reply, Error> {
///     let session = environ.session()?;
///     let visits = session.get::<u32>("visits").unwrap_or(0) + 1;
///     session.set("visits", &visits)?;
///     Ok(Reply::text(format!("visit {visits}")))
/// }
///
/// let client = Client::new(SessionLayer::new(CookieKeys::random()).layer(count));
/// let first = client.get("/").send();
/// let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap();
/// client.get("/").header("cookie", cookie).send().assert_text("visit 2");
/// ```
///
/// | what | how |
/// |---|---|
/// | no view asks for it | nothing is decrypted, and the response stays as it is |
/// | a view asks | `Vary: Cookie` |
/// | something changed | `Set-Cookie`, with `Cache-Control: private` where the response has none |
/// | the cookie was changed, is of other keys, or is over | an empty session, and the cookie is deleted; never an error |
/// | nothing is left in it | the cookie is deleted |
/// | it would be longer than 4096 bytes | messages that no page has shown go, the oldest first; where that is not enough, [`Session::set`] says so, and the session stays as it was |
/// | it was written by an [old key](CookieKeys::and_old) | it is written anew |
/// | a view returns an error | what it changed is saved all the same, as Flask does |
///
/// To save the changes of a view that fails, the layer around an application answers in its place: a bare response with the
/// status of the error and the cookie, in which layers further out find the error by
/// [`FailedBy`](gateway_core::FailedBy). Around a service it can do so where the error comes as a response, as with
/// `.answer_errors()`; an error in place of a response passes through, and so does a panic, and nothing is saved.
///
/// When it ends stands inside of the encrypted value, so a client that keeps the cookie longer gains nothing.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    settings: Arc<Settings>,
}

impl SessionLayer {
    /// Sessions that are encrypted with `keys`.
    #[must_use]
    pub fn new(keys: CookieKeys) -> Self {
        Self {
            settings: Arc::new(Settings::new(keys)),
        }
    }

    /// The name of the cookie. Default: `session`. With the prefix `__Host-` browsers take it from this host over https
    /// alone, so that no other host of the domain can plant one; it is then always [`secure`](Self::secure) and of
    /// the path `/`.
    #[must_use]
    pub fn cookie_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.set(|settings| {
            if name.starts_with("__Host-") {
                settings.secure = Some(true);
                settings.path = Some("/".to_owned());
            }
            settings.name = name;
        })
    }

    /// How long after the last visit a session is over, in whole seconds. Default: 14 days. (Visits are written down
    /// when a tenth of it has passed.)
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        self.set(|settings| settings.lifetime.idle = idle)
    }

    /// How long after its begin, or its [rotation](Session::rotate), a session is over, visited or not, in whole
    /// seconds. Default: 90 days.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.set(|settings| settings.lifetime.whole = lifetime)
    }

    /// Has the browser keep the cookie when it is closed, for as long as [`idle`](Self::idle) says. Default: until it is
    /// closed.
    #[must_use]
    pub fn persistent(self) -> Self {
        self.set(|settings| settings.persistent = true)
    }

    /// Whether the cookie is for https alone. Default: as each request came, by the connection or by a trusted proxy's
    /// word. A site that is only ever asked over https says `true`.
    #[must_use]
    pub fn secure(self, secure: bool) -> Self {
        self.set(|settings| settings.secure = Some(secure))
    }

    /// Which requests of other sites the cookie goes with. Default: [`SameSite::Lax`].
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> Self {
        self.set(|settings| settings.same_site = same_site)
    }

    /// The path below which the cookie is sent. Default: where this layer is mounted (SCRIPT_NAME), or `/`.
    #[must_use]
    pub fn path(self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.set(|settings| settings.path = Some(path))
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Surround for SessionLayer {
    type Kept = Session;

    fn before(&self, request: &mut impl Head) -> Session {
        let session = Session::new(Arc::clone(&self.settings), request);
        request.insert(session.clone());
        session
    }

    fn after(&self, session: Session, headers: &mut HeaderMap) {
        session.finish(headers);
    }

    fn failed(&self, session: Session, error: Error) -> Result<Response, Error> {
        let mut headers = HeaderMap::new();
        session.finish(&mut headers);
        if !headers.contains_key(SET_COOKIE) {
            return Err(error);
        }
        let mut response = bare_answer::of_error(error.into());
        response.headers_mut().extend(headers);
        Ok(response)
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}
