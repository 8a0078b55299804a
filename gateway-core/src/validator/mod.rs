//! A layer that checks both sides of the contract at run time, as wsgiref's validator and
//! Rack::Lint do.
//!
//! ```
//! use gateway_core::testing::Client;
//! use gateway_core::validator::ValidatorLayer;
//! use http::{Request, Response};
//! use tower::{Layer, service_fn};
//!
//! let layer = ValidatorLayer::new();
//! let sloppy = service_fn(async |_: Request<_>| {
//!     let response = Response::builder().header("content-length", "5");
//!     Ok::<_, std::convert::Infallible>(response.body("four".to_owned()).unwrap())
//! });
//! Client::of_service(layer.layer(sloppy)).get("/").send();
//!
//! let breaches = layer.breaches().take();
//! assert_eq!(breaches[0].rule, "body as long as Content-Length (RFC 9112 section 6.2)");
//! ```
//!
//! It changes nothing and stops nothing: it counts breaches and reports each (a panic would
//! vanish under a layer that catches them). Put one under every test, and one on each side of a
//! middleware.

mod body;
mod breach;
mod future;
mod layer;
mod rules;
mod service;

pub use body::ValidatedBody;
pub use breach::{Breach, Breaches, Side};
pub use future::ResponseFuture;
pub use layer::ValidatorLayer;
pub use service::Validator;
