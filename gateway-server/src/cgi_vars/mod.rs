//! What CGI, FastCGI and SCGI share: variables become a request, a response becomes its head.

mod arrive;
pub mod environ;
mod path;
pub(crate) mod response;
#[cfg(feature = "_wire")]
pub(crate) mod sent;
