//! Whatever header fields say: nobody panics, no claim is left, no prefix leads elsewhere, and a
//! client is never taken for its proxy.
#![no_main]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use gateway_core::proxy::ProxyLayer;
use gateway_core::request::{Addr, Arrival, ConnInfo};
use gateway_core::RequestExt;
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use tower_layer::Layer;
use tower_service::Service;

const NAMES: [&str; 6] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "forwarded",
];

struct Inspect;

impl Service<Request<()>> for Inspect {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let script_name = request.raw_script_name();
        assert!(script_name.is_empty() || script_name.starts_with('/'));
        assert!(!script_name.contains("//") && !script_name.contains(['\\', '\r', '\n', '?', '#']));
        assert_eq!(request.raw_path_info(), "/page");
        assert!(
            NAMES
                .iter()
                .all(|name| !request.headers().contains_key(*name))
        );
        let conn = request.conn().expect("a connection");
        // The proxy's own address is the client's only if nobody said anything else.
        assert!(conn.proxy().is_none() || conn.peer().ip() != Some(PROXY));
        ready(Ok(()))
    }
}

const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fuzz_target!(|data: &[u8]| {
    for layer in [ProxyLayer::x_forwarded(), ProxyLayer::forwarded()] {
        let mut request = Request::get("/page").body(()).expect("a request");
        for line in data.split(|byte| *byte == b'\n') {
            let Some((which, value)) = line.split_first() else {
                continue;
            };
            let name = NAMES[usize::from(*which) % NAMES.len()];
            if let Ok(value) = HeaderValue::from_bytes(value) {
                request
                    .headers_mut()
                    .append(HeaderName::from_static(name), value);
            }
        }
        let text = String::from_utf8_lossy(data);
        if text.contains("127") || text.contains("7f") || text.contains("7F") {
            return; // the list may name the proxy itself
        }
        let conn = ConnInfo::new(SocketAddr::new(PROXY, 1), Addr::Unknown);
        let arrival = Arrival::over(conn).with_client_path(request.uri());
        request.extensions_mut().insert(arrival);
        let _ = layer.trust_peers(PROXY.into()).layer(Inspect).call(request);
    }
});
