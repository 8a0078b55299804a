//! What the conformance tests share, and the documentation that is tested.

pub mod docs;
pub mod interop;
