//! The token that every form repeats.
//!
//! The lock on forms from elsewhere is tower-http's `CsrfLayer` (see `stack`), which goes by what
//! the browser says of where a request comes from. This is a second one, for browsers that say
//! nothing: the token also stands in a cookie. Another site can make a browser send the cookie,
//! but cannot read it to repeat it.

use gateway_core::{Environ, Error, Form};
use http::header;

/// The cookie, and the hidden field of every form.
const COOKIE: &str = "wiki_token";

/// The name of the hidden field.
pub const FIELD: &str = "token";

/// 128 bits in hexadecimal.
const LENGTH: usize = 32;

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
                value: value.to_owned(),
                fresh: false,
            });
        }
        let mut bytes = [0; LENGTH / 2];
        getrandom::fill(&mut bytes)?;
        let value = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { value, fresh: true })
    }

    /// The value for the form.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The Set-Cookie that a new token needs.
    ///
    /// For the whole host and not for the wiki's path: behind a proxy that maps paths we do not
    /// know what the browser calls ours, and the token opens nothing by itself. `Lax`, so that it
    /// is still there when a link from elsewhere leads to the form.
    #[must_use]
    pub fn cookie(&self, environ: &Environ) -> Option<String> {
        let secure = if environ.scheme() == "https" {
            "; Secure"
        } else {
            ""
        };
        let value = &self.value;
        self.fresh.then(|| {
            format!("{COOKIE}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}")
        })
    }
}

/// Whether `form` repeats a token of the browser that sends it.
#[must_use]
pub fn is_repeated(environ: &Environ, form: &Form) -> bool {
    let given = form.get(FIELD).unwrap_or_default();
    cookies(environ).any(|cookie| equal(cookie, &given))
}

/// Every token among the cookies: HTTP/2 may send several Cookie fields (RFC 9113 section
/// 8.2.3), and a browser may have several cookies of one name.
fn cookies(environ: &Environ) -> impl Iterator<Item = &str> {
    let fields = environ.headers().get_all(header::COOKIE).into_iter();
    let fields = fields.filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';'));
    pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_ours = name.trim() == COOKIE;
        let is_sound = value.len() == LENGTH && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_ours && is_sound).then_some(value)
    })
}

/// In a time that does not tell where they differ.
fn equal(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    one.len() == other.len() && pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
