//! What a site says of its sessions, summed up.

use std::time::Duration;

use gateway_core::paths::Spelling;

use super::kept::Lifetime;
use crate::cookies::{CookieKeys, SameSite, SetCookie};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) keys: CookieKeys,
    pub(super) lifetime: Lifetime,
    pub(super) name: String,
    pub(super) persistent: bool,
    pub(super) secure: Option<bool>,
    pub(super) same_site: SameSite,
    pub(super) path: Option<String>,
}

impl Settings {
    pub(super) fn new(keys: CookieKeys) -> Self {
        Self {
            keys,
            lifetime: Lifetime {
                idle: 14 * DAY,
                whole: 90 * DAY,
            },
            name: "session".to_owned(),
            persistent: false,
            secure: None,
            same_site: SameSite::default(),
            path: None,
        }
    }

    /// The cookie of a session, without its value.
    pub(super) fn cookie(&self, mount: &str, is_https: bool) -> SetCookie {
        let path = match &self.path {
            Some(path) => path.clone(),
            // A cookie cannot say `;`.
            None if mount.is_empty() || mount.contains(';') => "/".to_owned(),
            None => Spelling::of(mount).canonical().into_owned(),
        };
        let secure = self.secure.unwrap_or(is_https);
        let cookie = SetCookie::new(self.name.clone(), "", secure)
            .same_site(self.same_site)
            .path(path);
        if self.persistent {
            cookie.max_age(self.lifetime.idle)
        } else {
            cookie
        }
    }
}
