//! A tower service where an application is meant.

use gateway_core::adapt::from_service;
use gateway_core::testing::Client;
use gateway_core::{Application, Environ, Reply};

fn hello(_: &mut Environ) -> Reply {
    Reply::text("hello\n")
}

fn main() {
    let service = hello.into_service();
    let _ = Client::new(from_service(service.clone()));
    let _ = Client::new(service);
}
