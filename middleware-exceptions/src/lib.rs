//! Panics and errors become responses with a traceback.

mod accept;
mod body;
mod cause;
mod clean;
mod finish;
mod frames;
mod future;
mod gate;
mod id;
mod layer;
mod names;
mod render;
mod report;
mod secrets;
mod service;
mod source;
mod spans;
mod summary;
mod symbols;
mod watch;
mod worker;

pub use accept::Format;
pub use body::{BodyError, ResponseBody};
pub use frames::{Folded, Frame, Note, Traceback};
pub use future::ResponseFuture;
pub use id::ErrorId;
pub use layer::ExceptionsLayer;
pub use names::Origin;
pub use render::{Page, Rendered};
pub use report::{ChainLink, Kind, Place, Report, SpanSummary, Stage};
pub use service::Exceptions;
pub use source::Excerpt;
pub use summary::RequestSummary;
