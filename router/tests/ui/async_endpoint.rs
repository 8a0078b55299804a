//! A handler of axum that is not a service yet.

use router::BoxRouter;

async fn talk() -> &'static str {
    "talk"
}

fn main() {
    let _: BoxRouter = BoxRouter::builder().get("^talk$", talk).build().unwrap();
}
