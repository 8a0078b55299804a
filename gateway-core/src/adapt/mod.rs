//! Adapters between blocking applications and tower services, both ways.
//!
//! | from | to | by |
//! |---|---|---|
//! | [`Application`](crate::Application) | [`BlockingService`] | [`into_service`](crate::Application::into_service): on threads that may block |
//! | [`Application`](crate::Application) | [`InlineService`] | [`into_inline_service`](crate::Application::into_inline_service): where it is polled, for code that does not block |
//! | tower service | [`FromService`] | [`from_service`] |
//! | either service | [`AnswerErrors`] | `.answer_errors()`: errors become bare responses, for routers that want `Infallible` |
//!
//! ```
//! use gateway_core::adapt::from_service;
//! use gateway_core::{Application, Environ, Reply};
//!
//! fn hello(_: &mut Environ) -> Reply {
//!     Reply::text("hello\n")
//! }
//!
//! let service = hello.into_service().threads(64);
//! // And back: tower's middleware around it, and the whole an application again.
//! let application = from_service(service);
//! let response = application.respond(&mut Environ::builder().build()).unwrap();
//! assert_eq!(response.status(), 200);
//! ```

mod answer;
mod blocking;
mod call;
mod inline;
mod served;
mod settings;

pub use answer::{AnswerErrors, AnswerFuture};
pub use blocking::{BlockingService, ThreadLoad};
pub use call::BlockingFuture;
pub use inline::{InlineFuture, InlineService};
pub use served::{FromService, from_service};
