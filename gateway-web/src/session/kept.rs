//! What a session cookie holds, once it is decrypted: values, no clock and no keys.

use std::time::Duration;

use gateway_core::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is inside the encrypted cookie. Short names: browsers keep 4 KiB of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Another one after each log-in.
    #[serde(rename = "i")]
    pub(super) id: String,
    /// When the session began, in seconds since 1970.
    #[serde(rename = "b")]
    pub(super) begun: u64,
    /// When the cookie was written.
    #[serde(rename = "w")]
    pub(super) written: u64,
    #[serde(rename = "v", default, skip_serializing_if = "Map::is_empty")]
    pub(super) values: Map<String, Value>,
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) flashes: Vec<Flash>,
}

/// A message for the page that the client sees next: "The book was added."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// What kind of message it is, in the site's own words: `success`, `error`.
    #[serde(rename = "k")]
    pub(super) kind: String,
    #[serde(rename = "t")]
    pub(super) text: String,
}

impl Flash {
    /// What kind of message it is, in the site's own words.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The message.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    /// Since the last visit.
    pub(super) idle: Duration,
    /// Since it began.
    pub(super) whole: Duration,
}

impl Kept {
    pub(super) fn new(now: u64) -> Result<Self, Error> {
        Ok(Self {
            id: random_id()?,
            begun: now,
            written: now,
            ..Self::default()
        })
    }

    /// The session of a decrypted cookie, unless it is over.
    pub(super) fn read(text: &str, now: u64, lifetime: Lifetime) -> Option<Self> {
        let kept: Self = serde_json::from_str(text).ok()?;
        let over = now.saturating_sub(kept.written) > lifetime.idle.as_secs()
            || now.saturating_sub(kept.begun) > lifetime.whole.as_secs();
        (!over).then_some(kept)
    }

    pub(super) fn write(&self) -> Result<String, Error> {
        Ok(serde_json::to_string(self)?)
    }

    /// Whether a visit should be written down, so that an idle session is told from one in use. Not each one: a
    /// cookie with every response would be for nothing.
    pub(super) fn is_stale(&self, now: u64, lifetime: Lifetime) -> bool {
        now.saturating_sub(self.written) > lifetime.idle.as_secs() / 10
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.flashes.is_empty()
    }

    /// The same without its older messages.
    pub(super) fn with_last_flashes(&self, count: usize) -> Self {
        let older = self.flashes.len().saturating_sub(count);
        Self {
            flashes: self.flashes.iter().skip(older).cloned().collect(),
            ..self.clone()
        }
    }

    /// The same content under a new id, as after a log-in.
    pub(super) fn rotate(&mut self, now: u64) -> Result<(), Error> {
        self.id = random_id()?;
        self.begun = now;
        Ok(())
    }
}

/// 128 bits in hexadecimal.
fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::msg(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const LIFETIME: Lifetime = Lifetime {
        idle: Duration::from_secs(HOUR),
        whole: Duration::from_secs(10 * HOUR),
    };

    fn read(kept: &Kept, now: u64) -> Option<Kept> {
        Kept::read(&kept.write().unwrap(), now, LIFETIME)
    }

    #[test]
    fn a_session_is_over_when_it_was_idle_too_long_or_is_too_old() {
        let mut kept = Kept::new(1000).unwrap();
        assert!(read(&kept, 1000 + HOUR).is_some());
        assert!(read(&kept, 1001 + HOUR).is_none());
        kept.written = 1000 + 10 * HOUR;
        assert!(read(&kept, 1000 + 10 * HOUR).is_some());
        assert!(read(&kept, 1001 + 10 * HOUR).is_none());
        // A clock that was set back ends no session.
        assert!(read(&kept, 0).is_some());
    }

    #[test]
    fn a_visit_is_written_down_after_a_tenth_of_the_idle_time() {
        let kept = Kept::new(1000).unwrap();
        assert!(!kept.is_stale(1000 + HOUR / 10, LIFETIME));
        assert!(kept.is_stale(1001 + HOUR / 10, LIFETIME));
    }

    #[test]
    fn rotation_keeps_the_values_and_begins_anew() {
        let mut kept = Kept::new(1000).unwrap();
        kept.values.insert("cart".to_owned(), 3.into());
        let before = kept.clone();
        kept.rotate(2000).unwrap();
        assert_ne!(kept.id, before.id);
        assert_eq!((kept.begun, kept.values), (2000, before.values));
    }

    #[test]
    fn what_is_no_session_is_none() {
        for text in ["", "null", "[]", "{}", r#"{"i":1,"b":0,"w":0}"#] {
            assert!(Kept::read(text, 0, LIFETIME).is_none(), "{text}");
        }
    }
}
