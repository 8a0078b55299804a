//! What the conformance tests share, and the documentation that is tested.

pub mod deploy;
pub mod docs;
pub mod environ;
pub mod interop;
