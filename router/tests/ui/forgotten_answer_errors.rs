//! A program that mounts an application's service without answering its errors.

use gateway_core::{Application, Environ, Reply};
use router::BoxRouter;

fn wiki(_: &mut Environ) -> Reply {
    Reply::text("wiki")
}

fn main() {
    let ours = BoxRouter::builder()
        .mount("/wiki", wiki.into_service())
        .build()
        .unwrap();
    let _: axum::Router = axum::Router::new().fallback_service(ours);
}
