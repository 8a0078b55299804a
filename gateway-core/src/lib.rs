//! The contract between gateways and applications.

#[cfg(feature = "tokio")]
pub mod adapt;
mod application;
mod arrival;
mod block_on;
mod body;
pub mod compat;
mod conn;
mod environ;
mod error;
mod escape;
mod handoff;
mod input;
pub mod mount;
mod record;
mod reply;
mod script_name;
pub mod testing;
pub mod validator;
mod vars;
mod view;

pub use application::{AnyApplication, Application, application};
pub use arrival::{Arrival, ErrorSink, GatewayFacts};
pub use body::{Body, BodyWriter};
pub use conn::{Addr, ConnInfo};
pub use environ::{Cancellation, Environ, EnvironBuilder, Errors, Segment};
pub use error::{BoxError, Error, Failure, FailureText};
pub use escape::escape;
pub use input::Input;
pub use mount::{MountLayer, mount};
pub use record::{RecordPath, RecordPathLayer};
pub use reply::{IntoReply, Reply, Response};
pub use script_name::{InvalidPrefix, InvalidScriptName, Prefix, ScriptName, Split};
pub use vars::Vars;
pub use view::{Form, Pairs, RequestExt};
