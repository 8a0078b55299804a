//! Caddy in front, by HTTP: `caddy/Caddyfile` of `examples/deploy`.

use conformance::deploy::{Folder, caddy, free_port, get_with};
use gateway_core::proxy::ProxyLayer;
use gateway_core::{Environ, RequestExt, application};
use gateway_server::http::Server;
use tower::Layer;

#[test]
#[ignore = "needs caddy"]
fn caddy_says_who_the_client_is_and_passes_on_no_word_of_the_client() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _context = runtime.enter();
    let server = Server::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let peer = application(|environ: &mut Environ| {
        let conn = environ.conn().unwrap();
        let proxy = conn.proxy().and_then(gateway_core::request::Addr::ip);
        let host = environ.var("HTTP_HOST").unwrap();
        format!("{} {proxy:?} {}", conn.peer(), host.escape_ascii())
    });
    let layer = ProxyLayer::x_forwarded().trust_peers("127.0.0.1/32".parse().unwrap());
    runtime.spawn(server.serve(layer.layer(peer.into_service())));

    let folder = Folder::new();
    let port = free_port();
    let conf = folder.config(
        "caddy/Caddyfile",
        &[
            ("127.0.0.1:8080", &address),
            ("\n:80 {", &format!("\nhttp://:{port} {{")),
        ],
    );
    let _caddy = caddy(&folder, port, &conf);
    let forged = [("X-Forwarded-For", "6.6.6.6"), ("Host", "example.com")];
    let text = get_with(port, "/", &forged).text();
    assert!(text.starts_with("127.0.0.1"), "{text}");
    assert!(text.ends_with("Some(127.0.0.1) example.com"), "{text}");
}
