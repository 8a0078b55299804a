use gateway_core::{Environ, Reply};
use gateway_server::http::Server;

fn hello(_: &mut Environ) -> Reply {
    Reply::text("hello")
}

async fn start() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let _ = server.serve(hello).await;
}

fn main() {
    drop(start());
}
