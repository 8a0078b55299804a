//! Credentials of a request (RFC 9110 section 11, RFC 7617, RFC 6750).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_core::{Environ, Reply};
use http::{HeaderValue, StatusCode, header};
use subtle::ConstantTimeEq;

/// A user and a password, as the client sent them with the scheme Basic (RFC 7617).
#[derive(Clone)]
pub struct BasicAuth {
    user: String,
    password: String,
}

impl BasicAuth {
    /// The name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password, in the clear.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether these are the expected ones. The time it takes does not tell how much of the password is right.
    #[must_use]
    pub fn is(&self, user: &str, password: &str) -> bool {
        let same_user = self.user.as_bytes().ct_eq(user.as_bytes());
        let same_password = self.password.as_bytes().ct_eq(password.as_bytes());
        (same_user & same_password).into()
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Basic credentials; none for another scheme, and for what is not RFC 7617.
pub(crate) fn basic(environ: &Environ) -> Option<BasicAuth> {
    let decoded = STANDARD.decode(credentials(environ, "basic")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    // The user has no colon, the password may.
    let (user, password) = decoded.split_once(':')?;
    if decoded.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    Some(BasicAuth {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// A Bearer token (RFC 6750 section 2.1).
pub(crate) fn bearer(environ: &Environ) -> Option<&str> {
    let token = credentials(environ, "bearer")?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let body = token.trim_end_matches('=');
    (!body.is_empty() && body.bytes().all(legal)).then_some(token)
}

/// What follows the name of `scheme` in the one Authorization field. Two fields are no credentials: front ends
/// disagree on which of them counts.
fn credentials<'e>(environ: &'e Environ, scheme: &str) -> Option<&'e str> {
    let mut fields = environ.headers().get_all(header::AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let (own, credentials) = field.to_str().ok()?.split_once(' ')?;
    own.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
}

/// 401 with the challenge of the scheme Basic (RFC 7617 section 2).
pub(crate) fn basic_challenge(realm: &str) -> Reply {
    let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
    let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
    Reply::text("Unauthorized\n")
        .with_status(StatusCode::UNAUTHORIZED)
        .header(header::WWW_AUTHENTICATE, challenge)
        .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
