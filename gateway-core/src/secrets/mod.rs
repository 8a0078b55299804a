//! What is a secret in a text. For the crates of this workspace: no part of the contract.

mod decoded;
mod marks;
mod scan;

pub use marks::is_secret;
pub use scan::{Kind, REDACTED, without_secrets};
