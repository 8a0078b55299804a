//! A value that is no reply.

use gateway_core::testing::Client;
use gateway_core::{Environ, application};

fn count(_: &mut Environ) -> u32 {
    7
}

fn main() {
    let _ = application(count);
    let _ = Client::new(count);
}
