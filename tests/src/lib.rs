//! What the conformance tests share.

pub mod deploy;
pub mod environ;
