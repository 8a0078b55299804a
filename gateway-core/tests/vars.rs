//! The CGI view: RFC 3875 section 4.1 and PEP 3333.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use gateway_core::request::{
    Addr, Arrival, ClientCertificate, ConnInfo, EnvironBuilder, GatewayFacts,
};
use gateway_core::{Environ, RequestExt};
use http::{Request, Version};

fn tcp(peer: &str, local: &str) -> ConnInfo {
    let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
    ConnInfo::new(parse(peer), parse(local))
}

fn request() -> EnvironBuilder {
    let conn = tcp("192.0.2.7:4242", "127.0.0.1:8080");
    Environ::builder().conn(conn).header("host", "example.com")
}

fn var(environ: &Environ, name: &str) -> Option<String> {
    let value = environ.var(name)?;
    Some(value.iter().copied().map(char::from).collect())
}

#[track_caller]
fn assert_vars(environ: &Environ, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(var(environ, name).as_deref(), *value, "{name}");
    }
}

#[test]
fn every_variable_of_rfc_3875_is_told() {
    let environ = request()
        .method("POST")
        .script_name("/app")
        .uri("/a%20b/%C3%A9?q=1%202")
        .header("content-type", "text/plain")
        .header("content-length", "4")
        .header("user-agent", "curl")
        .body("text")
        .build();
    assert_vars(
        &environ,
        &[
            ("AUTH_TYPE", None),
            ("CONTENT_LENGTH", Some("4")),
            ("CONTENT_TYPE", Some("text/plain")),
            ("GATEWAY_INTERFACE", Some("CGI/1.1")),
            ("PATH_INFO", Some("/a b/\u{c3}\u{a9}")),
            ("PATH_TRANSLATED", None),
            ("QUERY_STRING", Some("q=1%202")),
            ("REMOTE_ADDR", Some("192.0.2.7")),
            ("REMOTE_PORT", Some("4242")),
            ("REMOTE_USER", None),
            ("REQUEST_METHOD", Some("POST")),
            ("SCRIPT_NAME", Some("/app")),
            ("SERVER_NAME", Some("example.com")),
            ("SERVER_PORT", Some("8080")),
            ("SERVER_PROTOCOL", Some("HTTP/1.1")),
            ("HTTP_USER_AGENT", Some("curl")),
            ("HTTP_HOST", Some("example.com")),
            ("REQUEST_URI", Some("/app/a%20b/%C3%A9?q=1%202")),
            ("wsgi.url_scheme", Some("http")),
            ("HTTPS", None),
        ],
    );
}

#[test]
fn an_absent_query_is_an_empty_one_and_absent_fields_are_absent() {
    let environ = request().build();
    let expected = [
        ("QUERY_STRING", Some("")),
        ("CONTENT_TYPE", None),
        ("HTTP_COOKIE", None),
    ];
    assert_vars(&environ, &expected);
}

#[test]
fn https_is_the_connections_word() {
    let conn = tcp("192.0.2.7:1", "127.0.0.1:443").with_scheme(http::uri::Scheme::HTTPS);
    let environ = request()
        .conn(conn)
        .header("x-forwarded-proto", "http")
        .build();
    let expected = [("HTTPS", Some("on")), ("wsgi.url_scheme", Some("https"))];
    assert_vars(&environ, &expected);
    assert_eq!(environ.request_uri(), "https://example.com/");
}

#[test]
fn a_clients_certificate_is_in_the_environ_by_the_names_of_mod_ssl() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
    let shown = |is_verified| ClientCertificate::new([0, 1, 2], pem, is_verified);
    let conn = || tcp("192.0.2.7:1", "127.0.0.1:443").with_scheme(http::uri::Scheme::HTTPS);
    for (certificate, verdict, user) in [
        (None, None, None),
        (Some(shown(false)), Some("FAILED"), None),
        (Some(shown(true)), Some("SUCCESS"), None),
        (
            Some(shown(true).with_user("ann")),
            Some("SUCCESS"),
            Some("ann"),
        ),
    ] {
        let pem = certificate.as_ref().map(|_| pem);
        let conn = match certificate {
            Some(certificate) => conn().with_client_certificate(certificate),
            None => conn(),
        };
        let environ = request().conn(conn.clone()).build();
        let expected = [
            ("SSL_CLIENT_VERIFY", verdict),
            ("SSL_CLIENT_CERT", pem),
            ("REMOTE_USER", user),
        ];
        assert_vars(&environ, &expected);
        // That of a proxy is not its client's.
        let client: std::net::IpAddr = "198.51.100.9".parse().unwrap();
        let environ = request().conn(conn.on_behalf_of(client)).build();
        let expected = expected.map(|(name, _)| (name, None));
        assert_vars(&environ, &expected);
    }
}

#[test]
fn several_fields_of_a_name_are_joined_by_the_rules() {
    // RFC 9110 section 5.3 and, for Cookie, RFC 6265 section 5.4.
    let environ = request()
        .header("accept", "text/html")
        .header("cookie", "a=1")
        .header("accept", "text/plain;q=0.5")
        .header("cookie", "b=2")
        .build();
    let accept = Some("text/html, text/plain;q=0.5");
    assert_vars(
        &environ,
        &[("HTTP_ACCEPT", accept), ("HTTP_COOKIE", Some("a=1; b=2"))],
    );
}

#[test]
fn the_proxy_header_is_never_http_proxy() {
    // httpoxy, CVE-2016-5385.
    let environ = request().header("proxy", "http://evil.example").build();
    assert_vars(&environ, &[("HTTP_PROXY", None)]);
    assert!(environ.vars().all(|(name, _)| name != "HTTP_PROXY"));
}

#[test]
fn a_name_with_an_underscore_cannot_pass_for_one_with_a_hyphen() {
    let environ = request()
        .header("x_auth", "forged")
        .header("x-auth", "real")
        .build();
    assert_vars(&environ, &[("HTTP_X_AUTH", Some("real"))]);
    let environ = request().header("x_auth", "forged").build();
    assert_vars(&environ, &[("HTTP_X_AUTH", None)]);
    assert!(environ.vars().all(|(name, _)| name != "HTTP_X_AUTH"));
}

#[test]
fn content_type_and_length_have_no_http_form() {
    let environ = request()
        .header("content-type", "a/b")
        .header("content-length", "0")
        .build();
    let expected = [("HTTP_CONTENT_TYPE", None), ("HTTP_CONTENT_LENGTH", None)];
    assert_vars(&environ, &expected);
}

#[test]
fn each_variable_comes_once_and_agrees_with_var() {
    let environ = request()
        .header("a", "1")
        .header("a", "2")
        .header("b", "3")
        .build();
    let mut seen = HashMap::new();
    for (name, value) in environ.vars() {
        assert_eq!(environ.var(&name), Some(value.clone()), "{name}");
        assert!(seen.insert(name.into_owned(), value).is_none());
    }
    assert_eq!(seen["HTTP_A"], &b"1, 2"[..]);
}

#[test]
fn nothing_comes_from_the_process_environment() {
    // wsgiref copies os.environ into every request.
    let environ = request().build();
    for (name, _) in std::env::vars() {
        if !name.starts_with("SERVER_") && !name.starts_with("REMOTE_") {
            assert_eq!(environ.var(&name), None, "{name}");
        }
    }
}

#[test]
fn in_http_2_the_authority_is_the_host() {
    let (mut parts, ()) = Request::get("https://example.org:8443/a")
        .body(())
        .unwrap()
        .into_parts();
    parts.version = Version::HTTP_2;
    let environ = Environ::new(parts, ());
    let expected = [
        ("HTTP_HOST", Some("example.org:8443")),
        ("SERVER_PORT", Some("8443")),
    ];
    assert_vars(&environ, &expected);
    assert_eq!(environ.request_uri(), "https://example.org:8443/a");
}

#[test]
fn ipv6_hosts_keep_their_brackets() {
    let environ = Environ::builder().header("host", "[::1]:8080").build();
    let expected = [
        ("SERVER_NAME", Some("[::1]")),
        ("SERVER_PORT", Some("8080")),
    ];
    assert_vars(&environ, &expected);
    let local = tcp("[::1]:1", "[::1]:9000");
    let environ = Environ::builder().conn(local).build();
    assert_eq!(environ.request_uri(), "http://[::1]:9000/");
}

#[test]
fn a_gateways_own_variables_are_told_but_do_not_overrule_the_request() {
    let vars = [
        ("REMOTE_USER", "ann"),
        ("SERVER_SOFTWARE", "nginx"),
        ("PATH_INFO", "/forged"),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let facts = Arc::new(GatewayFacts::new(vars.to_vec()));
    let mut request = Request::get("/real").body(()).unwrap();
    request
        .extensions_mut()
        .insert(Arrival::default().with_gateway(facts));
    assert_eq!(request.var("REMOTE_USER").unwrap(), &b"ann"[..]);
    assert_eq!(request.var("SERVER_SOFTWARE").unwrap(), &b"nginx"[..]);
    assert_eq!(request.var("PATH_INFO").unwrap(), &b"/real"[..]);
    assert_eq!(
        request
            .vars()
            .filter(|(name, _)| name == "PATH_INFO")
            .count(),
        1
    );
}

#[test]
fn the_urls_are_as_pep_3333_reconstructs_them() {
    let environ = request().script_name("/app").uri("/a%2Fb?c=d").build();
    assert_eq!(environ.request_uri(), "http://example.com/app/a%2Fb?c=d");
    assert_eq!(environ.application_uri(), "http://example.com/app");
    let bare = Environ::builder()
        .conn(tcp("127.0.0.1:1", "127.0.0.1:8080"))
        .build();
    assert_eq!(bare.request_uri(), "http://127.0.0.1:8080/");
    assert_eq!(bare.application_uri(), "http://127.0.0.1:8080/");
}

#[test]
fn a_unix_socket_has_no_address_and_no_port() {
    let conn = ConnInfo::new(Addr::Unix(None), Addr::Unix(Some("/run/app.sock".into())));
    let environ = Environ::builder()
        .conn(conn)
        .header("host", "example.com:81")
        .build();
    let expected = [
        ("REMOTE_ADDR", None),
        ("REMOTE_PORT", None),
        ("SERVER_PORT", Some("81")),
    ];
    assert_vars(&environ, &expected);
}
