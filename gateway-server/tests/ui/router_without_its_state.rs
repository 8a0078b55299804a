use axum::Router;

async fn start(router: Router<String>) {
    let _ = gateway_server::http::serve("127.0.0.1:0", router).await;
}

fn main() {
    drop(start(Router::new()));
}
