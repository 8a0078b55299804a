//! Whatever a client sends, what a trusted proxy adds to it is believed, or nothing is: never the
//! client's own word.
#![no_main]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use gateway_core::proxy::ProxyLayer;
use gateway_core::request::{Addr, Arrival, ConnInfo};
use gateway_core::RequestExt;
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tower_layer::Layer;
use tower_service::Service;

/// What a proxy may say of a client at 198.51.100.7, or not say.
const FORWARDED: [&str; 8] = [
    "for=198.51.100.7;proto=https;host=example.com",
    "for=\"198.51.100.7:4711\"; proto=https",
    "For=198.51.100.7;by=10.0.0.1;secret=\"a, b;\\\"c\"",
    "for=unknown;proto=https",
    "for=_hidden",
    "by=_p",
    "proto=https;host=example.com",
    "tls=1.3",
];

const LISTS: [(&str, &str); 5] = [
    ("x-forwarded-for", "198.51.100.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "example.com"),
    ("x-forwarded-port", "8443"),
    ("x-forwarded-prefix", "/wiki"),
];

#[derive(Arbitrary, Debug)]
struct Input {
    /// Lines of the client, each with the number of its field.
    client: Vec<(u8, Vec<u8>)>,
    /// Which of `FORWARDED` the proxy adds.
    says: u8,
    /// Whether it does so on a line of its own.
    apart: bool,
}

/// Whom, over what, where and below what a request is for.
type Seen = (String, String, Option<String>, String);

struct Look<'a>(&'a mut Option<Seen>);

impl Service<Request<()>> for Look<'_> {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        *self.0 = Some((
            request.conn().expect("a connection").peer().to_string(),
            request.scheme().to_string(),
            request.header("host").map(str::to_owned),
            request.raw_script_name().to_owned(),
        ));
        ready(Ok(()))
    }
}

/// What an honest proxy adds to what came; `None` for what no server lets through.
fn add(lines: &mut Vec<(HeaderName, Vec<u8>)>, name: &'static str, value: &str, apart: bool) {
    let name = HeaderName::from_static(name);
    let last = lines.iter_mut().rev().find(|(known, _)| *known == name);
    match last {
        Some((_, line)) if !apart => {
            line.extend_from_slice(b", ");
            line.extend_from_slice(value.as_bytes());
        }
        _ => lines.push((name, value.as_bytes().to_vec())),
    }
}

fn seen(layer: ProxyLayer, lines: &[(HeaderName, Vec<u8>)]) -> Seen {
    let mut request = Request::get("/page")
        .header("host", "inner")
        .body(())
        .expect("a request");
    for (name, line) in lines {
        let value = HeaderValue::from_bytes(line).expect("checked");
        request.headers_mut().append(name.clone(), value);
    }
    let proxy = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 80));
    let arrival = Arrival::over(ConnInfo::new(proxy, Addr::Unknown)).with_client_path(request.uri());
    request.extensions_mut().insert(arrival);
    let mut seen = None;
    let mut service = layer.trust_peers(IpAddr::from(proxy.ip()).into()).layer(Look(&mut seen));
    drop(service.call(request));
    drop(service);
    seen.expect("the service was called")
}

fuzz_target!(|input: Input| {
    let client: Vec<_> = input
        .client
        .iter()
        .filter(|(_, line)| HeaderValue::from_bytes(line).is_ok())
        .collect();

    let mut lines = Vec::new();
    for (_, line) in &client {
        lines.push((HeaderName::from_static("forwarded"), line.clone()));
    }
    let says = FORWARDED[usize::from(input.says) % FORWARDED.len()];
    add(&mut lines, "forwarded", says, input.apart);
    let found = seen(ProxyLayer::forwarded(), &lines);
    let alone = [(
        HeaderName::from_static("forwarded"),
        says.as_bytes().to_vec(),
    )];
    let honest = seen(ProxyLayer::forwarded(), &alone);
    let nothing = (
        "-".into(),
        "http".into(),
        Some("inner".into()),
        String::new(),
    );
    assert!(
        // A quote that the client left open makes the line none at all.
        found == honest || (found == nothing && !input.apart),
        "{found:?} for {honest:?}"
    );

    let mut lines = Vec::new();
    for (field, line) in &client {
        let (name, _) = LISTS[usize::from(*field) % LISTS.len()];
        lines.push((HeaderName::from_static(name), line.clone()));
    }
    let mut alone = Vec::new();
    for (name, value) in LISTS {
        add(&mut lines, name, value, input.apart);
        add(&mut alone, name, value, true);
    }
    let found = seen(ProxyLayer::x_forwarded(), &lines);
    assert_eq!(found, seen(ProxyLayer::x_forwarded(), &alone));
});
