//! An `async fn` where a plain one is meant.

use gateway_core::testing::Client;
use gateway_core::{Environ, Reply, application};

async fn hello(_: &mut Environ) -> Reply {
    Reply::text("hello\n")
}

fn main() {
    let _ = Client::new(hello);
    let _ = Client::new(application(async |_| Reply::text("hello\n")));
}
