//! The router: the map on top of methods, hosts and mounts, as a tower service
//! and as a blocking application.

mod answer;
mod application;
mod body;
mod boxed;
mod builder;
mod call;
mod development;
mod dispatch;
mod future;
mod page_urls;
mod parse;
mod resolve;
mod rule;
mod sections;
#[expect(
    clippy::module_inception,
    reason = "the file that has poll_ready and call has this name in every crate"
)]
mod service;
mod settings;
mod shadow;
mod slashes;
mod table;
mod text;
mod url_args;
mod url_for;
mod warning;

pub use body::RouterBody;
#[cfg(feature = "tokio")]
pub use boxed::AsApplication;
pub use boxed::{AsService, BoxEndpoint, BoxRouter, BoxRouterBuilder, IntoEndpoint};
pub use builder::RouterBuilder;
pub use future::ResponseFuture;
pub use page_urls::RequestUrls;
#[cfg(feature = "query")]
pub use page_urls::with_query;
pub use parse::ParseError;
pub use rule::{ExampleRequest, RouterWarning, Rule, ShadowedRule, Taker};
pub use service::{Router, RouterRoute};
pub use settings::{EncodedSlashes, LeadingSlash, OtherSpellings, TrailingSlash};
pub use url_args::{MatchedRoute, RequestUrlArgs, UrlArgs, UrlFor};
