//! Who is believed about whom.
#![cfg(feature = "proxy")]

use std::convert::Infallible;
use std::net::SocketAddr;

use gateway_core::RequestExt;
use gateway_core::proxy::ProxyLayer;
use gateway_core::request::{Addr, Arrival, ConnInfo};
use http::{Request, Response};
use serde::Deserialize;
use tower::{Layer, ServiceExt, service_fn};

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    family: String,
    peer: String,
    #[serde(default)]
    headers: Vec<String>,
    client: String,
    proxy: Option<String>,
    #[serde(default = "http")]
    scheme: String,
    #[serde(default = "inner_host")]
    host: String,
    #[serde(default)]
    script_name: String,
}

fn http() -> String {
    "http".into()
}

fn inner_host() -> String {
    "inner:8080".into()
}

fn conn(peer: &str) -> ConnInfo {
    match peer {
        "unix" => ConnInfo::new(Addr::Unix(None), Addr::Unix(Some("/run/app.sock".into()))),
        "unix-other" => ConnInfo::new(Addr::Unix(None), Addr::Unix(Some("/run/other.sock".into()))),
        addr => ConnInfo::new(addr.parse::<SocketAddr>().unwrap(), Addr::Unknown),
    }
}

fn trusting(layer: ProxyLayer) -> ProxyLayer {
    layer
        .trust_peers("10.0.0.0/8".parse().unwrap())
        .trust_peers("2001:db8::/32".parse().unwrap())
        .trust_unix("/run/app.sock")
}

/// The request as the inner service has it.
async fn settled(layer: ProxyLayer, request: Request<()>) -> Request<()> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut sender = Some(sender);
    let inner = service_fn(move |request: Request<()>| {
        let _ = sender.take().expect("called once").send(request);
        async { Ok::<_, Infallible>(Response::new(())) }
    });
    layer.layer(inner).oneshot(request).await.unwrap();
    receiver.await.unwrap()
}

#[tokio::test]
async fn every_case_of_the_table_is_settled_as_it_says() {
    let cases: Cases = toml::from_str(include_str!("cases/proxies.toml")).unwrap();
    for case in cases.case {
        let layer = match &*case.family {
            "forwarded" => ProxyLayer::forwarded(),
            _ => ProxyLayer::x_forwarded(),
        };
        let mut request = Request::get("/page?q").header("host", inner_host());
        for header in &case.headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let mut request = request.body(()).unwrap();
        let arrival = Arrival::over(conn(&case.peer)).with_client_path(request.uri());
        request.extensions_mut().insert(arrival);
        let request = settled(trusting(layer), request).await;
        let conn = request.conn().unwrap();
        let found = (
            conn.peer().to_string(),
            conn.proxy().map(ToString::to_string),
            request.scheme().to_string(),
            request.header("host").unwrap().to_string(),
            request.raw_script_name().to_string(),
        );
        let wanted = (
            case.client,
            case.proxy,
            case.scheme,
            case.host,
            case.script_name,
        );
        assert_eq!(found, wanted, "{}", case.name);
        assert_eq!(request.raw_path_info(), "/page", "{}", case.name);
        let left: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(left, ["host"], "{}: claims are stripped", case.name);
    }
}

#[tokio::test]
async fn the_authority_of_http_2_is_replaced_as_well() {
    let mut request = Request::get("http://inner:8080/page")
        .header("x-forwarded-host", "example.com")
        .body(())
        .unwrap();
    request.extensions_mut().insert(conn("10.0.0.1:80"));
    let request = settled(trusting(ProxyLayer::x_forwarded()), request).await;
    assert_eq!(request.uri(), "http://example.com/page");
    assert_eq!(request.request_uri(), "http://example.com/page");
}

#[tokio::test]
async fn without_a_connection_no_proxy_is_believed() {
    let request = Request::get("/")
        .header("x-forwarded-for", "127.0.0.1")
        .body(())
        .unwrap();
    let request = settled(trusting(ProxyLayer::x_forwarded()), request).await;
    assert!(request.conn().is_none() && request.headers().is_empty());
}

#[tokio::test]
async fn a_layer_that_names_no_proxy_believes_none() {
    let mut request = Request::get("/")
        .header("forwarded", "for=1.2.3.4")
        .body(())
        .unwrap();
    request.extensions_mut().insert(conn("127.0.0.1:1"));
    let request = settled(ProxyLayer::forwarded(), request).await;
    assert!(request.conn().unwrap().peer().is_loopback());
}
