//! A cookie for the client to keep.

use std::time::Duration;

use cookie::Cookie;
use gateway_core::Error;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a browser keeps of one cookie: RFC 6265 section 6.1 promises no more than 4096 bytes for name, value and
/// attributes, and browsers drop what is longer without a word.
pub(crate) const MOST_BYTES: usize = 4096;

/// What a value may not hold as it is (RFC 6265 section 4.1.1), and the sign of the encoding.
const NOT_IN_A_VALUE: AsciiSet = CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b',')
    .add(b';')
    .add(b'\\')
    .add(b'%');

/// Which requests of other sites a cookie goes with (RFC 6265bis section 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SameSite {
    /// With none.
    Strict,
    /// With links that are followed, and with no other.
    #[default]
    Lax,
    /// With all. Browsers take such a cookie over https alone, so it is always `Secure`.
    None,
}

impl SameSite {
    fn as_cookie(self) -> cookie::SameSite {
        match self {
            Self::Strict => cookie::SameSite::Strict,
            Self::Lax => cookie::SameSite::Lax,
            Self::None => cookie::SameSite::None,
        }
    }
}

/// A cookie for the client to keep: for [`set_cookie`](crate::ReplyExt::set_cookie).
///
/// [`Environ::new_cookie`](crate::EnvironExt::new_cookie) makes one with safe defaults: for the whole site (`Path=/`),
/// out of the reach of scripts (`HttpOnly`), not sent along from other sites (`SameSite=Lax`), only over https where
/// this request came over https (`Secure`), and until the browser is closed.
#[derive(Clone, Debug)]
#[must_use = "a cookie does nothing until a reply sets it"]
pub struct SetCookie {
    cookie: Cookie<'static>,
}

impl SetCookie {
    /// A cookie with the safe defaults; `secure` says whether it is for https alone.
    ///
    /// The value may be any text: what a cookie cannot hold is percent-encoded, and decoded when it is read.
    pub fn new(name: impl Into<String>, value: impl Into<String>, secure: bool) -> Self {
        let mut cookie = Cookie::new(name.into(), value.into());
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_same_site(cookie::SameSite::Lax);
        cookie.set_secure(secure);
        Self { cookie }
    }

    /// How long the browser keeps it, in whole seconds. Default: until it is closed.
    pub fn max_age(mut self, age: Duration) -> Self {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.cookie
            .set_max_age(cookie::time::Duration::seconds(seconds));
        self
    }

    /// The path below which it is sent. Default: `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.cookie.set_path(path.into());
        self
    }

    /// A domain whose other hosts get it as well. Default: this host alone.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie.set_domain(domain.into());
        self
    }

    /// Whether it is for https alone. Default: as the request came.
    pub fn secure(mut self, secure: bool) -> Self {
        self.cookie.set_secure(secure);
        self
    }

    /// Which requests of other sites it goes with. Default: [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.cookie.set_same_site(same_site.as_cookie());
        self
    }

    /// Lets scripts read it. Default: they cannot.
    pub fn readable_by_scripts(mut self) -> Self {
        self.cookie.set_http_only(false);
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.cookie.name()
    }

    /// The value for the field `Set-Cookie`.
    ///
    /// # Errors
    ///
    /// The name is no token (RFC 9110 section 5.6.2), an attribute has a character that would end it, the whole is longer
    /// than the 4096 bytes that browsers keep, or the name begins with `__Host-` and the cookie has a domain or another path
    /// than `/`, which browsers drop. Answered with 500.
    pub fn field(&self) -> Result<String, Error> {
        let name = self.cookie.name();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Error::msg(format!(
                "`{}` is no name of a cookie",
                name.escape_debug()
            )));
        }
        let attributes = [self.cookie.path(), self.cookie.domain()];
        let ends = |byte: u8| byte == b';' || byte.is_ascii_control();
        if attributes
            .into_iter()
            .flatten()
            .any(|value| value.bytes().any(ends))
        {
            return Err(Error::msg(format!(
                "the cookie `{name}` has a path or domain with `;` in it"
            )));
        }
        let begins = |prefix: &str| {
            let start = name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        // RFC 6265bis section 4.1.3.
        let is_host = begins("__Host-");
        if is_host && (self.cookie.domain().is_some() || self.cookie.path() != Some("/")) {
            return Err(Error::msg(format!(
                "the cookie `{name}` is for one host and all its paths, by its name"
            )));
        }
        let mut encoded = self.cookie.clone();
        let is_for_all = encoded.same_site() == Some(cookie::SameSite::None);
        if is_host || begins("__Secure-") || is_for_all {
            encoded.set_secure(true);
        }
        encoded.set_value(utf8_percent_encode(self.cookie.value(), &NOT_IN_A_VALUE).to_string());
        let field = encoded.to_string();
        if field.len() > MOST_BYTES {
            return Err(Error::msg(format!(
                "the cookie `{name}` is {} bytes long, and browsers keep {MOST_BYTES}",
                field.len()
            )));
        }
        Ok(field)
    }

    /// The same cookie, to be forgotten.
    pub(crate) fn expired(mut self) -> Self {
        self.cookie.set_value("");
        self.cookie.make_removal();
        self
    }

    #[cfg(feature = "secure-cookies")]
    pub(crate) fn with_value(mut self, value: String) -> Self {
        self.cookie.set_value(value);
        self
    }

    #[cfg(feature = "secure-cookies")]
    pub(crate) fn value(&self) -> &str {
        self.cookie.value()
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_safe() {
        let field = SetCookie::new("theme", "dark", true).field().unwrap();
        assert_eq!(field, "theme=dark; HttpOnly; SameSite=Lax; Secure; Path=/");
    }

    #[test]
    fn a_value_cannot_end_the_cookie() {
        let field = SetCookie::new("a", "x; Domain=evil\r\ny, \"é\"", false)
            .field()
            .unwrap();
        assert!(
            field.starts_with("a=x%3B%20Domain=evil%0D%0Ay%2C%20%22%C3%A9%22; "),
            "{field}"
        );
    }

    #[test]
    fn what_browsers_take_over_https_alone_is_secure() {
        let plain = |name: &str| SetCookie::new(name, "x", false);
        for cookie in [
            plain("__Host-a"),
            plain("__secure-a").path("/shop"),
            plain("a").same_site(SameSite::None).secure(false),
        ] {
            let field = cookie.field().unwrap();
            assert!(field.contains("; Secure"), "{field}");
        }
        assert!(!plain("a").field().unwrap().contains("Secure"));
    }

    #[test]
    fn what_is_no_cookie_is_an_error() {
        for cookie in [
            SetCookie::new("__Host-a", "x", true).path("/shop"),
            SetCookie::new("__Host-a", "x", true).domain("shop.example"),
            SetCookie::new("a b", "x", false),
            SetCookie::new("", "x", false),
            SetCookie::new("a", "x", false).path("/; Domain=evil"),
            SetCookie::new("a", "x", false).domain("evil\n"),
            SetCookie::new("a", "x".repeat(4096), false),
        ] {
            assert_eq!(cookie.field().unwrap_err().status(), 500);
        }
    }
}
