//! Regular-expression URL map: find, build, and a tower Service on top.

mod args;
mod builder;
mod capture;
mod engine;
mod error;
mod map;
mod pattern;
mod reverse;
#[cfg(feature = "service")]
mod service;
mod template;

pub use args::Args;
pub use builder::UrlMapBuilder;
pub use error::{BuildError, Place, UrlForError};
pub use map::{Match, Route, Shadowed, Stats, UrlMap, Warning};
pub use reverse::{Arg, ArgList, ArgValue, IntoArgs};
#[cfg(feature = "tokio")]
pub use service::AsApplication;
#[cfg(feature = "service")]
pub use service::{
    AsService, BoxEndpoint, BoxRouter, BoxRouterBuilder, IntoEndpoint, LeadingSlash, ParseError,
    RequestUrlArgs, ResponseFuture, Router, RouterBody, RouterBuilder, RouterRoute, TrailingSlash,
    UrlArgs, UrlFor,
};
