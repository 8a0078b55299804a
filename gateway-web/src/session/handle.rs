//! The session as views see it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use gateway_core::{Environ, Error};
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kept::{Flash, Kept};
use super::settings::Settings;
use crate::around::Head;
use crate::cookies::{CookieKeys, SetCookie, named};

/// The session of this client: from [`environ.session()`](crate::EnvironExt::session), below a
/// [`SessionLayer`](super::SessionLayer).
///
/// What is set becomes a cookie with the response. Clones are the same session. Of two requests of one client at the
/// same time, the response that comes last wins.
#[derive(Clone)]
pub struct Session {
    state: Arc<Mutex<State>>,
}

struct State {
    settings: Arc<Settings>,
    /// The `Cookie` fields of the request.
    sent: HeaderMap,
    /// SCRIPT_NAME, raw.
    mount: Box<str>,
    is_https: bool,
    /// `None` until a view asks.
    content: Option<Content>,
    /// The head of the response is made: a change would be lost.
    is_closed: bool,
}

#[derive(Default)]
struct Content {
    /// `None` where there is no session yet.
    kept: Option<Kept>,
    changed: bool,
    /// The client sent a cookie of this name, whatever was in it.
    was_sent: bool,
}

#[track_caller]
pub(crate) fn of(environ: &Environ) -> Result<Session, Error> {
    let session = environ.get::<Session>();
    session
        .cloned()
        .ok_or_else(|| Error::msg("there is no `SessionLayer` around this view"))
}

impl Session {
    pub(super) fn new(settings: Arc<Settings>, request: &impl Head) -> Self {
        let mut sent = HeaderMap::new();
        for field in request.headers().get_all(COOKIE) {
            sent.append(COOKIE, field.clone());
        }
        Self {
            state: Arc::new(Mutex::new(State {
                settings,
                sent,
                mount: request.mount().into(),
                is_https: request.is_https(),
                content: None,
                is_closed: false,
            })),
        }
    }

    /// The value of `key`. `None` where there is none, or where it does not fit `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let mut state = self.lock();
        let value = state.content().kept.as_ref()?.values.get(key)?;
        T::deserialize(value).ok()
    }

    /// Sets the value of `key`. Messages that no page has shown yet make room for it, the oldest first.
    ///
    /// # Errors
    ///
    /// The cookie would be longer than browsers keep even without messages (4096 bytes, which is some 2,900 bytes of
    /// values), and the session stays as it was; the value cannot be written as JSON; the head of the response has been made. Answered with
    /// 500.
    #[track_caller]
    pub fn set(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let value = serde_json::to_value(value)?;
        self.lock().change(0, |kept| {
            kept.values.insert(key.to_owned(), value);
            Ok(())
        })
    }

    /// Forgets the value of `key`.
    ///
    /// # Errors
    ///
    /// The head of the response has been made: 500.
    #[track_caller]
    pub fn remove(&self, key: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let kept = state.content().kept.as_ref();
        if kept.is_some_and(|kept| kept.values.contains_key(key)) {
            state.change(0, |kept| {
                kept.values.remove(key);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Forgets everything: a log-out. The client is told to drop the cookie. (A copy of it that was taken before is
    /// good until it expires: what has to end at once, such as the sessions of a stolen device, is looked up by the
    /// [`id`](Self::id) in the site's own database.)
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    #[track_caller]
    pub fn clear(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let content = state.writable()?;
        content.kept = None;
        content.changed = true;
        Ok(())
    }

    /// Gives the session a new [id](Self::id), and has it begin now. **Call it where a client logs in**: then a cookie that
    /// another person planted in this browser before is not the one that is logged in. To drop what
    /// was in it as well, [`clear`](Self::clear) it instead.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove); or the operating system has no random bytes.
    #[track_caller]
    pub fn rotate(&self) -> Result<(), Error> {
        self.lock().change(0, |kept| kept.rotate(now()))
    }

    /// 32 hexadecimal digits (128 random bits) that name this session until [`rotate`](Self::rotate) or
    /// [`clear`](Self::clear). `None` where nothing was set yet.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let mut state = self.lock();
        state.content().kept.as_ref().map(|kept| kept.id.clone())
    }

    /// Leaves a message for the next page that [asks](Self::flashes). `kind` is the site's own word: `success`.
    ///
    /// Where the cookie has no room for one more, the oldest messages go: a client that posts and never looks at a page
    /// loses those, and not the answer.
    ///
    /// # Errors
    ///
    /// The values leave no room for this message alone, and the session stays as it was; else as [`set`](Self::set).
    #[track_caller]
    pub fn flash(&self, kind: impl Into<String>, text: impl Into<String>) -> Result<(), Error> {
        let flash = Flash {
            kind: kind.into(),
            text: text.into(),
        };
        self.lock().change(1, |kept| {
            kept.flashes.push(flash);
            Ok(())
        })
    }

    /// The messages that earlier views left, each only once. None once the head of the response has been made.
    #[must_use]
    pub fn flashes(&self) -> Vec<Flash> {
        let mut state = self.lock();
        let Ok(content) = state.writable() else {
            return Vec::new();
        };
        let flashes = content
            .kept
            .as_mut()
            .map(|kept| std::mem::take(&mut kept.flashes));
        let flashes = flashes.unwrap_or_default();
        content.changed |= !flashes.is_empty();
        flashes
    }

    /// Puts the cookie into the head of the response.
    pub(super) fn finish(&self, headers: &mut HeaderMap) {
        let mut state = self.lock();
        state.is_closed = true;
        let Some(content) = &state.content else {
            return;
        };
        // What one client sees no other must be shown from a cache.
        headers.append(VARY, HeaderValue::from_static("cookie"));
        if let Some(cookie) = state.response_cookie(content)
            && let Ok(field) = HeaderValue::try_from(cookie)
        {
            headers.append(SET_COOKIE, field);
            if !headers.contains_key(CACHE_CONTROL) {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of the user's runs while it is locked, but a `Serialize` that panics would poison it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What there is, read from the cookie when it is first asked for.
    fn content(&mut self) -> &mut Content {
        if self.content.is_none() {
            self.content = Some(self.read());
        }
        self.content.get_or_insert_default()
    }

    fn cookie(&self) -> SetCookie {
        self.settings.cookie(&self.mount, self.is_https)
    }

    fn read(&self) -> Content {
        let settings = &self.settings;
        let mut was_sent = false;
        // A cookie that another host of the domain planted is sent as well, and may be sent first.
        let opened = named(&self.sent, &settings.name).find_map(|sealed| {
            was_sent = true;
            let opened = settings.keys.decrypt(&settings.name, &sealed)?;
            let kept = Kept::read(&opened.value, now(), settings.lifetime)?;
            Some((kept, opened.is_old))
        });
        let is_old = opened.as_ref().is_some_and(|(_, is_old)| *is_old);
        Content {
            kept: opened.map(|(kept, _)| kept),
            changed: is_old,
            was_sent,
        }
    }

    #[track_caller]
    fn writable(&mut self) -> Result<&mut Content, Error> {
        if self.is_closed {
            let text = "the head of the response has been made, and the session is in it";
            return Err(Error::msg(text));
        }
        Ok(self.content())
    }

    /// Changes the session, unless it would no longer fit its cookie with the last `spared` messages alone.
    #[track_caller]
    fn change(
        &mut self,
        spared: usize,
        change: impl FnOnce(&mut Kept) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let content = self.writable()?;
        let mut kept = match &content.kept {
            Some(kept) => kept.clone(),
            None => Kept::new(now())?,
        };
        change(&mut kept)?;
        self.make_room(&mut kept, spared)?;
        let content = self.content();
        content.kept = Some(kept);
        content.changed = true;
        Ok(())
    }

    /// Drops the oldest messages until the rest fits the cookie.
    #[track_caller]
    fn make_room(&self, kept: &mut Kept, spared: usize) -> Result<(), Error> {
        if self.fits(kept).is_ok() {
            return Ok(());
        }
        // What cannot fit is told before anything is dropped one by one.
        self.fits(&kept.with_last_flashes(spared))?;
        while kept.flashes.len() > spared && self.fits(kept).is_err() {
            *kept = kept.with_last_flashes(kept.flashes.len() - 1);
        }
        Ok(())
    }

    /// Whether the cookie would be one. It is encrypted once, with the response, and not for each change.
    #[track_caller]
    fn fits(&self, kept: &Kept) -> Result<(), Error> {
        let length = CookieKeys::encrypted_length(kept.write()?.len());
        let cookie = self.cookie().with_value("A".repeat(length));
        cookie.field().map(drop)
    }

    /// The cookie of a session.
    fn sealed(&self, kept: &Kept) -> Result<String, Error> {
        let cookie = self.cookie().with_value(kept.write()?);
        self.settings.keys.encrypt(cookie).field()
    }

    /// The cookie to send, where one is to be sent.
    fn response_cookie(&self, content: &Content) -> Option<String> {
        let lifetime = self.settings.lifetime;
        match &content.kept {
            Some(kept) if !kept.is_empty() => {
                let stale = kept.is_stale(now(), lifetime);
                let written = Kept {
                    written: now(),
                    ..kept.clone()
                };
                (content.changed || stale).then(|| self.sealed(&written).ok())?
            }
            // Nothing is left, or nothing could be read.
            _ if content.was_sent => self.cookie().expired().field().ok(),
            _ => None,
        }
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
