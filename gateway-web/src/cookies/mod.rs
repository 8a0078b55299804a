//! Cookies: read, set, deleted (RFC 6265); signed and encrypted ones.

#[cfg(feature = "secure-cookies")]
mod keys;
mod sent;
mod set;

#[cfg(feature = "secure-cookies")]
pub use keys::{CookieKeys, WeakSecret};
#[cfg(feature = "secure-cookies")]
pub(crate) use sent::named;
pub(crate) use sent::{all, first};
pub use set::{SameSite, SetCookie};
