//! The token that every form repeats.
//!
//! The lock on forms from elsewhere is tower-http's `CsrfLayer` (see `stack`), which goes by what
//! the browser says of where a request comes from. This is a second one, for browsers that say
//! nothing: the token also stands in a cookie. Another site can make a browser send the cookie,
//! but cannot read it to repeat it.

use std::borrow::Cow;
use std::time::Duration;

use gateway_core::{Environ, Error, Form, Reply};
use gateway_web::{EnvironExt, ReplyExt};

/// The cookie, and the hidden field of every form.
const COOKIE: &str = "wiki_token";

/// The name of the hidden field.
pub const FIELD: &str = "token";

/// 128 bits in hexadecimal.
const LENGTH: usize = 32;

/// How long browsers keep what they are given.
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// 128 random bits in hexadecimal.
///
/// # Errors
///
/// The operating system has none.
pub(crate) fn random() -> Result<String, Error> {
    let mut bytes = [0; LENGTH / 2];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is said to a browser whose form does not repeat it.
pub(crate) const STALE: &str = "This form was too old, or cookies are off, so nothing was changed. \
                                Send it again.";

/// The token of a browser.
#[derive(Debug)]
pub struct Token {
    value: String,
    fresh: bool,
}

impl Token {
    /// The browser's token, or a new one where it has none.
    ///
    /// # Errors
    ///
    /// The operating system has no random bytes.
    pub fn of(environ: &Environ) -> Result<Self, Error> {
        if let Some(value) = cookies(environ).next() {
            return Ok(Self {
                value: value.into_owned(),
                fresh: false,
            });
        }
        Ok(Self {
            value: random()?,
            fresh: true,
        })
    }

    /// The value for the form.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The reply, with the cookie that a new token needs.
    ///
    /// For the whole host and not for the wiki's path: behind a proxy that maps paths we do not
    /// know what the browser calls ours, and the token opens nothing by itself. `Lax`, so that it
    /// is still there when a link from elsewhere leads to the form.
    pub fn kept(&self, environ: &Environ, reply: Reply) -> Reply {
        if !self.fresh {
            return reply;
        }
        reply.set_cookie(environ.new_cookie(COOKIE, &*self.value).max_age(YEAR))
    }
}

/// Whether `form` repeats a token of the browser that sends it.
#[must_use]
pub fn is_repeated(environ: &Environ, form: &Form) -> bool {
    accepts(environ, &form.get(FIELD).unwrap_or_default())
}

/// Whether `given` is a token of the browser that sends it.
#[must_use]
pub fn accepts(environ: &Environ, given: &str) -> bool {
    cookies(environ).any(|cookie| equal(&cookie, given))
}

/// Every token among the cookies: a browser may have several cookies of one name.
fn cookies(environ: &Environ) -> impl Iterator<Item = Cow<'_, str>> {
    environ.cookies().filter_map(|(name, value)| {
        let is_sound = value.len() == LENGTH && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        (name == COOKIE && is_sound).then_some(value)
    })
}

/// In a time that does not tell where they differ.
fn equal(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    one.len() == other.len() && pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
