//! Behind proxies that are named: who sent the request, over what, and below which prefix.
//!
//! A reverse proxy hides the client: every request comes from the proxy, over plain HTTP, for the
//! proxy's path. It says the truth in header fields, and so could any client that reaches the server
//! some other way. [`ProxyLayer`] believes **no peer** until you name the proxies, and then one
//! family of fields, of which you know that your proxies set it:
//!
//! ```
//! use gateway_core::proxy::ProxyLayer;
//! use gateway_core::request::{Addr, Arrival, ConnInfo};
//! use gateway_core::{Body, RequestExt};
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = service_fn(|request: Request<Body>| async move {
//!     let text = format!("{} asks for {}", request.conn().unwrap().peer(), request.request_uri());
//!     Ok::<_, std::convert::Infallible>(Response::new(text))
//! });
//! let behind_nginx = ProxyLayer::x_forwarded()
//!     .trust_peers("127.0.0.1/32".parse().unwrap())
//!     .layer(service);
//!
//! let request = Request::get("/page")
//!     .header("host", "backend:8080")
//!     .header("x-forwarded-for", "203.0.113.9, 198.51.100.7") // the first is the client's own claim
//!     .header("x-forwarded-proto", "https")
//!     .header("x-forwarded-host", "example.com")
//!     .header("x-forwarded-prefix", "/wiki")
//!     .extension(Arrival::over(ConnInfo::new(
//!         "127.0.0.1:4242".parse::<std::net::SocketAddr>().unwrap(),
//!         Addr::Unknown,
//!     )))
//!     .body(Body::empty())
//!     .unwrap();
//! let response = behind_nginx.oneshot(request).await.unwrap();
//! assert_eq!(
//!     response.into_body(),
//!     "198.51.100.7:0 asks for https://example.com/wiki/page"
//! );
//! # }
//! ```
//!
//! # What is believed
//!
//! The addresses are walked from the right, where the nearest proxy has written: as long as an
//! address is that of a trusted proxy, the next one to the left is that proxy's word. The first
//! that is not trusted is the client; what stands left of it is the client's own claim, and
//! ignored. Where the walk meets something that is no address (`unknown`, an obfuscated name,
//! garbage), the client is [`Addr::Unknown`](crate::request::Addr::Unknown), never the proxy: a proxy's
//! address could open doors.
//!
//! | | [`x_forwarded`](ProxyLayer::x_forwarded) | [`forwarded`](ProxyLayer::forwarded) (RFC 7239) | becomes |
//! |---|---|---|---|
//! | client | X-Forwarded-For | `for=` | [`ConnInfo::peer`](crate::request::ConnInfo::peer); the proxy is [`ConnInfo::proxy`](crate::request::ConnInfo::proxy) |
//! | scheme | X-Forwarded-Proto, `http` or `https` | `proto=` | [`ConnInfo::scheme`](crate::request::ConnInfo::scheme) |
//! | host | X-Forwarded-Host, X-Forwarded-Port | `host=` | the Host field and the authority of the target |
//! | prefix | X-Forwarded-Prefix | | SCRIPT_NAME, through [`ScriptName`](crate::paths::ScriptName) |
//!
//! `Forwarded` says all of one hop together, so each of these is the outermost trusted proxy's word.
//! X-Forwarded-Proto, -Host, -Port and -Prefix are lists apart, and which proxy added to which of
//! them cannot be told: of each the last value is believed, which the nearest proxy wrote. Behind
//! a chain of proxies that add to lists, use `Forwarded`, or let the nearest proxy pass on one value.
//!
//! A value that is not valid counts as absent. A prefix has to be a path: it begins with one
//! slash, and has no second one after it, no scheme, query, fragment, backslash, dot segment or
//! control character.
//!
//! All fields of both families, and X-Real-IP and Via's kin of other makes, are taken out of every
//! request, trusted or not: what runs below cannot believe them by mistake. (`Via` stays: it
//! makes no claim about the client.) Where a peer that is not trusted sent such fields,
//! [`ConnInfo::proxy`](crate::request::ConnInfo::proxy) is the peer itself, so that a request through an
//! unnamed proxy on this machine does not pass for a request from this machine.

mod address;
mod forwarded;
mod layer;
mod prefix;
mod resolve;
mod trust;

pub use ipnet::IpNet;
pub use layer::{Proxy, ProxyLayer};
