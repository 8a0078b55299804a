//! What the operator has to hear, with or without a log.

use std::fmt::Display;
use std::io::{self, Write};

use tracing::dispatcher;
use tracing::subscriber::NoSubscriber;

/// A warning: to `tracing`, and to standard error where the program has no subscriber.
pub(crate) fn warn(text: &str) {
    tracing::warn!("{text}");
    told(&text);
}

/// What `tracing` was told: to standard error, where the program has no subscriber.
pub(crate) fn told(text: &dyn Display) {
    if !dispatcher::has_been_set() && dispatcher::get_default(|own| own.is::<NoSubscriber>()) {
        // If that fails, there is nowhere left to report it.
        let _ = writeln!(io::stderr(), "{text}");
    }
}
