//! What the operator has to hear, with or without a log.

use std::io::{self, Write};

/// A warning: to `tracing`, and to standard error where the program has no subscriber.
pub(crate) fn warn(text: &str) {
    if tracing::dispatcher::has_been_set() {
        tracing::warn!("{text}");
    } else {
        // If that fails, there is nowhere left to report it.
        let _ = writeln!(io::stderr(), "{text}");
    }
}
