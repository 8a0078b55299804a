//! A service where the pattern should be.

use gateway_core::{Environ, Reply};
use router::Router;

fn show(_: &mut Environ) -> Reply {
    Reply::text("")
}

fn main() {
    let _ = Router::builder().get(show, "^users/$");
}
