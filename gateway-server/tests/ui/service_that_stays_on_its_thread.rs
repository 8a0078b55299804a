use std::convert::Infallible;
use std::rc::Rc;

use gateway_core::Body;
use http::{Request, Response};

async fn start() {
    let shared = Rc::new(1);
    let service = tower::service_fn(move |_: Request<Body>| {
        let shared = Rc::clone(&shared);
        async move { Ok::<_, Infallible>(Response::new(shared.to_string())) }
    });
    let _ = gateway_server::http::serve("127.0.0.1:0", service).await;
}

fn main() {
    drop(start());
}
