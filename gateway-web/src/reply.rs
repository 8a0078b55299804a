//! What the features of this crate add to a reply.

use gateway_core::Reply;

/// What the features of this crate add to a [`Reply`].
///
/// As with [`Reply::header`], what cannot be sent turns the whole reply into an error, answered with 500.
pub trait ReplyExt: Into<Reply> {
    /// A value as JSON: `application/json`.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON (a map with keys that are no text): 500.
    #[cfg(feature = "json")]
    #[track_caller]
    fn from_json(value: &impl serde::Serialize) -> Result<Reply, gateway_core::Error> {
        crate::json::reply(value)
    }

    /// 401 with the challenge of the scheme Basic (RFC 7617), for the protection space `realm`.
    #[cfg(feature = "auth")]
    fn basic_challenge(realm: &str) -> Reply {
        crate::auth::basic_challenge(realm)
    }

    /// Has the client keep a cookie.
    ///
    /// What is no cookie, or is longer than browsers keep (4096 bytes), turns the reply into an error, answered
    /// with 500.
    #[cfg(feature = "cookies")]
    #[track_caller]
    fn set_cookie(self, cookie: crate::SetCookie) -> Reply {
        with_cookie(self.into(), &cookie)
    }

    /// Has the client forget a cookie: one of the whole site, or of the path and domain that `cookie` was set with.
    ///
    /// ```
    /// use gateway_core::{Environ, Reply};
    /// use gateway_web::{EnvironExt, ReplyExt};
    ///
    /// fn forget(environ: &mut Environ) -> Reply {
    ///     Reply::text("").delete_cookie(environ.new_cookie("theme", ""))
    /// }
    /// # let response = forget(&mut Environ::builder().build()).into_response().unwrap();
    /// # assert!(response.headers()["set-cookie"].to_str().unwrap().starts_with("theme=; "));
    /// ```
    #[cfg(feature = "cookies")]
    #[track_caller]
    fn delete_cookie(self, cookie: crate::SetCookie) -> Reply {
        with_cookie(self.into(), &cookie.expired())
    }

    /// Has the client keep a cookie that it can read, and not change:
    /// [`signed_cookie`](crate::EnvironExt::signed_cookie) reads it.
    #[cfg(feature = "secure-cookies")]
    #[track_caller]
    fn set_signed_cookie(self, keys: &crate::CookieKeys, cookie: crate::SetCookie) -> Reply {
        with_cookie(self.into(), &keys.sign(cookie))
    }

    /// Has the client keep a cookie that it can neither read nor change:
    /// [`encrypted_cookie`](crate::EnvironExt::encrypted_cookie) reads it.
    #[cfg(feature = "secure-cookies")]
    #[track_caller]
    fn set_encrypted_cookie(self, keys: &crate::CookieKeys, cookie: crate::SetCookie) -> Reply {
        with_cookie(self.into(), &keys.encrypt(cookie))
    }
}

#[cfg(feature = "cookies")]
#[track_caller]
fn with_cookie(reply: Reply, cookie: &crate::SetCookie) -> Reply {
    match cookie.field() {
        Ok(field) => reply.header(http::header::SET_COOKIE, field),
        // A header that cannot be is how a reply holds an error.
        Err(error) => reply.header(Invalid(error.into()), ""),
    }
}

/// The name of a header that cannot be.
#[cfg(feature = "cookies")]
struct Invalid(gateway_core::BoxError);

#[cfg(feature = "cookies")]
impl TryFrom<Invalid> for http::HeaderName {
    type Error = gateway_core::BoxError;

    fn try_from(invalid: Invalid) -> Result<Self, Self::Error> {
        Err(invalid.0)
    }
}

impl ReplyExt for Reply {}
