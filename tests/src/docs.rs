//! The pages of `docs/` and the READMEs: their snippets are the tests of these items.

#[doc = include_str!("../../docs/README.md")]
pub mod contents {}
#[doc = include_str!("../../docs/01-hello.md")]
pub mod hello {}
#[doc = include_str!("../../docs/02-dispatching.md")]
pub mod dispatching {}
#[doc = include_str!("../../docs/03-exceptions.md")]
pub mod exceptions {}
#[doc = include_str!("../../docs/04-static-files.md")]
pub mod static_files {}
#[doc = include_str!("../../docs/05-deployment.md")]
pub mod deployment {}
#[doc = include_str!("../../docs/moving.md")]
pub mod moving {}
#[doc = include_str!("../../docs/guards.md")]
pub mod guards {}
#[doc = include_str!("../../docs/telemetry.md")]
pub mod telemetry {}
#[doc = include_str!("../../README.md")]
pub mod readme {}
#[doc = include_str!("../../gateway-core/README.md")]
pub mod core_readme {}
