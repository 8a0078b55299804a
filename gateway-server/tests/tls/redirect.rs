//! Port 80.

use std::convert::Infallible;

use gateway_core::Body;
use gateway_core::request::{Addr, Arrival, ConnInfo};
use gateway_server::Sockets;
use gateway_server::http::Server;
use gateway_server::tls::{HttpsLayer, Tls};
use http::uri::Scheme;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::Client;
use crate::support::Authority;

async fn inner(_: Request<Body>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("inner".to_owned()))
}

/// Status, and where to.
async fn asked(layer: &HttpsLayer, scheme: Scheme, request: http::request::Builder) -> String {
    let conn = ConnInfo::new(Addr::Unknown, Addr::Unknown).with_scheme(scheme);
    let mut request = request.body(Body::empty()).unwrap();
    let arrival = Arrival::over(conn).with_client_path(request.uri());
    request.extensions_mut().insert(arrival);
    let response = layer.layer(service_fn(inner)).oneshot(request).await;
    let response = response.unwrap();
    let location = response.headers().get("location");
    let location = location.map_or("", |it| it.to_str().unwrap());
    format!("{} {location}", response.status().as_u16())
        .trim()
        .to_owned()
}

#[tokio::test]
async fn what_is_asked_over_http_is_sent_to_https() {
    let any = HttpsLayer::new();
    let named = HttpsLayer::new().hosts(["Example.org"]).port(8443);
    for (layer, method, target, host, expected) in [
        (
            &any,
            "GET",
            "/a/b?c=%20",
            "example.org",
            "301 https://example.org/a/b?c=%20",
        ),
        (
            &any,
            "HEAD",
            "/",
            "example.org:80",
            "301 https://example.org/",
        ),
        (&any, "POST", "/", "example.org", "308 https://example.org/"),
        // No host of another site: the address is whole.
        (
            &any,
            "GET",
            "//evil.example/",
            "example.org",
            "301 https://example.org//evil.example/",
        ),
        (
            &any,
            "GET",
            "/",
            "[2001:db8::1]:80",
            "301 https://[2001:db8::1]/",
        ),
        (
            &any,
            "GET",
            "http://example.net/x",
            "example.org",
            "301 https://example.net/x",
        ),
        (&any, "OPTIONS", "*", "example.org", "400"),
        (&any, "GET", "/", "", "400"),
        (&any, "GET", "/", "a b", "400"),
        (
            &named,
            "GET",
            "/",
            "EXAMPLE.org:8080",
            "301 https://example.org:8443/",
        ),
        (&named, "GET", "/", "evil.example", "421"),
        (&named, "GET", "/", "example.org.evil.example", "421"),
        (
            &named,
            "GET",
            "/",
            "user@example.org",
            "301 https://example.org:8443/",
        ),
    ] {
        let request = Request::builder().method(method).uri(target);
        let request = match host {
            "" => request,
            host => request.header("host", host),
        };
        let got = asked(layer, Scheme::HTTP, request).await;
        assert_eq!(got, expected, "{method} {target} of {host}");
    }
}

#[tokio::test]
async fn what_is_asked_over_https_is_handed_on_whatever_headers_say() {
    let request = Request::builder().header("x-forwarded-proto", "http");
    let got = asked(&HttpsLayer::new(), Scheme::HTTPS, request).await;
    assert_eq!(got, "200");
    let request = Request::builder()
        .header("host", "a")
        .header("x-forwarded-proto", "https");
    let got = asked(&HttpsLayer::new(), Scheme::HTTP, request).await;
    assert_eq!(got, "301 https://a/");
}

#[tokio::test]
async fn one_server_has_both_ports() {
    let authority = Authority::new();
    let tls = Tls::files(authority.localhost()).unwrap();
    let secure = Sockets::bind("127.0.0.1:0").unwrap();
    let port = secure.local_addrs()[0].port().unwrap();
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .and_listener(tls.listen(secure));
    let plain = server.local_addr().unwrap();
    let service = HttpsLayer::new().port(port).layer(service_fn(inner));
    let serving = tokio::spawn(server.serve(service));
    let answer = Client::connect(plain).await.get("/x").await;
    let location = format!("https://a:{port}/x");
    assert_eq!(answer.field("location"), Some(&*location));
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(authority.trusting()));
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, stream.unwrap()).await.unwrap();
    let answer = crate::support::get(&mut stream).await.unwrap();
    assert!(answer.ends_with("inner"), "{answer}");
    serving.abort();
}
