//! A request as applications see it: how it arrived, its head, its body, and the CGI view.

pub mod accept;
pub(crate) mod arrival;
mod conn;
mod environ;
mod ext;
mod form;
pub(crate) mod input;
mod vars;
mod view;

pub use arrival::{Arrival, ErrorSink, GatewayFacts, GatewayVars, Nest};
pub use conn::{Addr, ClientCertificate, ConnInfo};
pub use environ::{Cancellation, Environ, EnvironBuilder, Errors, Segment};
pub use ext::RequestExt;
pub use form::{Form, Pairs};
pub use input::Input;
pub use vars::Vars;
