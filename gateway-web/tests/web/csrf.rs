//! The recipe of the front page: tower-http's `CsrfLayer`, over plain HTTP, below mounts and behind proxies.

use std::net::SocketAddr;

use gateway_core::proxy::ProxyLayer;
use gateway_core::request::{Addr, ConnInfo};
use gateway_core::testing::Client;
use gateway_core::{Application, Environ, Reply};
use gateway_web::error_pages::forbidden;
use gateway_web::{ErrorPage, ErrorPages};
use tower::ServiceBuilder;
use tower_http::csrf::CsrfLayer;

fn saved(_: &mut Environ) -> Reply {
    Reply::text("saved")
}

macro_rules! site {
    () => {
        ServiceBuilder::new()
            .layer(ErrorPages::new(|page: &ErrorPage<'_>| {
                format!("{} in this shop", page.reason())
            }))
            .layer(CsrfLayer::new().with_rejection_response(forbidden))
            .service(saved.into_inline_service().answer_errors())
    };
}

#[test]
fn a_form_of_another_site_is_refused() {
    let mounted = gateway_core::mount("/shop", site!()).unwrap();
    for (client, path) in [
        (Client::of_service(site!()), "/save"),
        (Client::of_service(mounted), "/shop/save"),
    ] {
        let post = |fields: &[(&'static str, &'static str)]| {
            let request = client.post(path).header("host", "shop.example");
            let request = fields.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            });
            request.send().status().as_u16()
        };
        // Over plain HTTP browsers send no Sec-Fetch-Site, but an Origin.
        assert_eq!(post(&[("origin", "http://shop.example")]), 200, "{path}");
        assert_eq!(post(&[("origin", "http://evil.example")]), 403, "{path}");
        assert_eq!(post(&[("origin", "http://shop.example:81")]), 403, "{path}");
        assert_eq!(post(&[("origin", "null")]), 403, "{path}");
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), 200, "{path}");
        assert_eq!(post(&[("sec-fetch-site", "same-site")]), 403, "{path}");
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), 403, "{path}");
        // No browser.
        assert_eq!(post(&[]), 200, "{path}");
        client
            .get(path)
            .header("sec-fetch-site", "cross-site")
            .send()
            .assert_status(200);
    }
}

#[test]
fn a_refusal_looks_like_the_sites_other_errors() {
    let client = Client::of_service(site!());
    let refused = client.post("/").header("sec-fetch-site", "cross-site");
    refused.send().assert_text("Forbidden in this shop");
    let refused = client.post("/").header("sec-fetch-site", "cross-site");
    let refused = refused.header("accept", "application/json").send();
    refused.assert_header("content-type", "application/problem+json");
}

#[test]
fn behind_a_proxy_the_host_is_the_one_that_the_browser_asked() {
    let proxies = ProxyLayer::x_forwarded().trust_peers("127.0.0.1/32".parse().unwrap());
    let client = Client::of_service(ServiceBuilder::new().layer(proxies).service(site!()));
    let post = |peer: &str, origin: &str| {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = client
            .post("/save")
            .conn(ConnInfo::new(peer, Addr::Unknown));
        let request = request
            .header("host", "backend:8080")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-host", "shop.example")
            .header("x-forwarded-proto", "https")
            .header("origin", origin);
        request.send().status().as_u16()
    };
    assert_eq!(post("127.0.0.1:4242", "https://shop.example"), 200);
    assert_eq!(post("127.0.0.1:4242", "https://evil.example"), 403);
    assert_eq!(post("127.0.0.1:4242", "http://backend:8080"), 403);
    // Of a peer that is no proxy the fields are the client's own.
    assert_eq!(post("203.0.113.9:4242", "https://shop.example"), 403);
}
