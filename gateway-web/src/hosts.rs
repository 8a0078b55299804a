//! Which hosts a site answers to.
//!
//! A page of another site can have its own name lead to this machine after it has been loaded (DNS rebinding): the browser
//! then takes this site for a part of that one, and what it says of where a request comes from is of no use. Only the name
//! is left to tell, in Host and in Origin.

use std::net::{IpAddr, ToSocketAddrs};

use gateway_core::request::{Addr, Arrival};
use gateway_core::{Body, Error, RequestExt, Response};
use http::uri::Authority;
use http::{HeaderValue, Request, StatusCode, header};
use tower_http::validate_request::ValidateRequest;

/// Hosts that a site answers to, by name and by address. The names of the loopback interface are always among them.
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Body, Environ, Reply};
/// use gateway_web::hosts::Hosts;
/// use http::Response;
/// use tower::ServiceBuilder;
/// use tower_http::validate_request::ValidateRequestHeaderLayer;
///
/// fn site(_: &mut Environ) -> Reply {
///     Reply::text("Here.")
/// }
///
/// let hosts = Hosts::new("127.0.0.1:8080", &["shop.example".to_owned()])?;
/// let service = ServiceBuilder::new()
///     .layer(ValidateRequestHeaderLayer::custom(hosts))
///     .service(gateway_core::application(site).into_inline_service().answer_errors());
/// let client = Client::of_service(service);
/// client.get("/").header("host", "shop.example:80").send().assert_text("Here.");
/// client.get("/").header("host", "evil.example").send().assert_status(421);
/// # use gateway_core::Application;
/// # Ok::<(), gateway_core::Error>(())
/// ```
///
/// Any name will do where a web server that speaks FastCGI, SCGI or CGI has decided which names are its own, and on a
/// Unix socket, which no browser reaches.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    hosts: Vec<Host>,
    /// All addresses, but no names.
    any_address: bool,
    advice: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// In lower case, without the dot at the end.
    Name(String),
}

impl Hosts {
    /// The host of `bind`, where the site listens, and `others`, with or without a port. Where it listens on all
    /// addresses, all addresses: a name can lead elsewhere, an address cannot.
    ///
    /// # Errors
    ///
    /// One of `others` is no host.
    pub fn new(bind: &str, others: &[String]) -> Result<Self, Error> {
        let mut hosts = Self::default();
        hosts.hosts.extend(Host::parse(bind));
        // What cannot be resolved cannot be bound, which is for the server to say.
        for addr in bind.to_socket_addrs().into_iter().flatten() {
            let ip = addr.ip().to_canonical();
            hosts.any_address |= ip.is_unspecified();
            hosts.hosts.push(Host::Address(ip));
        }
        for other in others {
            let host = Host::parse(other);
            let host = host.ok_or_else(|| Error::msg(format!("`{other}` is not a host")))?;
            hosts.hosts.push(host);
        }
        Ok(hosts)
    }

    /// What to do about it, for the answer to a request for another host, which stands in place of `{host}`. Default:
    /// nothing.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// Whether the site answers to `host`, the value of a Host field. The port may be any: behind a proxy it is not
    /// ours.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        Host::parse(host).is_some_and(|host| match &host {
            Host::Address(ip) => self.any_address || ip.is_loopback() || self.hosts.contains(&host),
            Host::Name(name) => {
                name == "localhost" || name.ends_with(".localhost") || self.hosts.contains(&host)
            }
        })
    }
}

/// Lets a request through that asks for one of these hosts, or that a web server passed on; 421
/// (RFC 9110 section 15.5.20) for any other.
impl<B> ValidateRequest<B> for Hosts {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request<B>) -> Result<(), Response> {
        let arrival = request.extensions().get::<Arrival>();
        let passed_on = arrival.is_some_and(|arrival| arrival.gateway().is_some());
        let socket = request.conn().map(|conn| conn.local());
        if passed_on || matches!(socket, Some(Addr::Unix(_))) {
            return Ok(());
        }
        // RFC 9112 section 3.2.2: the target's host goes before the field.
        let host = match request.uri().authority() {
            Some(authority) => authority.as_str(),
            None => match request.headers().get(header::HOST) {
                Some(host) => host.to_str().unwrap_or_default(),
                // HTTP/1.0, which no browser speaks.
                None => return Ok(()),
            },
        };
        if self.allow(host) {
            Ok(())
        } else {
            Err(misdirected(host, &self.advice))
        }
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let host = authority.host();
        // Before it no user (`localhost:x@evil.example`), behind it a port and nothing else
        // (`[::1]evil.example`).
        let port = authority.as_str().strip_prefix(host)?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if let Ok(ip) = address.unwrap_or(host).parse::<IpAddr>() {
            return Some(Self::Address(ip.to_canonical()));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let sound = !name.is_empty() && name.chars().all(is_name);
        sound.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

fn misdirected(host: &str, advice: &str) -> Response {
    // What is no host is not repeated.
    let advice = match Host::parse(host) {
        Some(_) if !advice.is_empty() => format!("{}\n", advice.replace("{host}", host)),
        _ => String::new(),
    };
    let text =
        format!("421 Misdirected Request\n\nThis site does not answer to that host. {advice}");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_answers_to_what_it_was_told_and_to_the_loopback() {
        let hosts = |bind: &str, others: &[&str]| {
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            Hosts::new(bind, &others).unwrap()
        };
        let here = hosts("127.0.0.1:8080", &[]);
        let everywhere = hosts("0.0.0.0:8080", &["Site.Example."]);
        let everywhere_6 = hosts("[::]:8080", &[]);
        let there = hosts("192.0.2.7:80", &["site.example:8080", "[2001:db8::7]"]);
        let by_name = hosts("localhost:8080", &[]);
        let unix = hosts("unix:/run/site.sock", &[]);
        let all = [&here, &everywhere, &everywhere_6, &there, &by_name, &unix];
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.8.9.1:1",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "site.localhost:8080",
        ] {
            assert!(all.iter().all(|hosts| hosts.allow(host)), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "evil-localhost",
            "127.0.0.1.evil.example",
            "[::1]evil.example",
            "localhost:x@evil.example",
            "evil.example@localhost",
            "localhost,evil.example",
            "localhost evil.example",
            "",
            ":8080",
            "[::1]:x",
            "[::1]:80evil.example",
            "localhost:80@evil.example",
            "[::1",
            "http://localhost",
            "localhost/",
            "0x7f.1",
        ] {
            assert!(!all.iter().any(|hosts| hosts.allow(host)), "{host}");
        }
        for (host, allowed) in [
            ("192.0.2.1:8080", [false, true, true, false]),
            ("192.0.2.7", [false, true, true, true]),
            ("0.0.0.0:8080", [false, true, true, false]),
            ("[2001:db8::7]:1", [false, true, true, true]),
            ("site.example", [false, true, false, true]),
            ("SITE.EXAMPLE.:443", [false, true, false, true]),
            ("sub.site.example", [false, false, false, false]),
        ] {
            let found = [&here, &everywhere, &everywhere_6, &there].map(|hosts| hosts.allow(host));
            assert_eq!(found, allowed, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_said() {
        for wrong in [
            "",
            "a b",
            "http://site.example",
            "site.example/",
            "me@site.example",
            "*",
        ] {
            let error = Hosts::new("127.0.0.1:0", &[wrong.to_owned()]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
