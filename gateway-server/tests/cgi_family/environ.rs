//! Variables of a CGI-like front end become a request head.

use std::collections::BTreeMap;

use gateway_core::paths::Prefix;
use gateway_server::cgi_environ::{Head, Refused, Variables};
use http::{StatusCode, Version};
use proptest::prelude::*;

fn head(variables: &[(&str, &[u8])], mount: Option<&str>) -> Result<Head, Refused> {
    let mut collected = Variables::new();
    collected.set(b"REQUEST_METHOD", b"GET")?;
    for (name, value) in variables {
        collected.set(name.as_bytes(), value)?;
    }
    let mount = mount.map(|mount| Prefix::new(mount).unwrap());
    collected.into_head(mount.as_ref())
}

fn get(variables: &[(&str, &str)]) -> Result<Head, Refused> {
    let bytes: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    head(&bytes, None)
}

/// `\xNN` in the table is a byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).unwrap());
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    out
}

#[test]
fn the_path_is_found_and_split_as_the_table_says() {
    #[derive(serde::Deserialize)]
    struct Table {
        case: Vec<BTreeMap<String, String>>,
    }
    let table: Table = toml::from_str(include_str!("../cases/cgi_paths.toml")).unwrap();
    for case in table.case {
        let rule = &case["rule"];
        let variables: Vec<_> = case
            .iter()
            .filter(|(name, _)| name.starts_with(char::is_uppercase))
            .map(|(name, value)| (name.as_str(), bytes(value)))
            .collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_slice()))
            .collect();
        let head = head(&variables, case.get("mount").map(String::as_str)).unwrap();
        assert_eq!(
            (head.script_name(), head.path_info()),
            (&*case["script"], &*case["info"]),
            "{rule}"
        );
        assert_eq!(head.uri.to_string(), case["uri"], "{rule}");
        assert_eq!(
            head.client_path(),
            format!("{}{}", case["script"], case["info"]),
            "{rule}"
        );
    }
}

#[test]
fn headers_come_from_http_variables() {
    let head = get(&[
        ("HTTP_USER_AGENT", "curl"),
        ("HTTP_X_ONE", "1"),
        ("HTTP_ACCEPT", ""),
    ])
    .unwrap();
    assert_eq!(head.headers["user-agent"], "curl");
    assert_eq!(head.headers["x-one"], "1");
    assert_eq!(head.headers["accept"], "");
    assert_eq!(head.headers.len(), 3);
}

#[test]
fn httpoxy_is_closed_and_the_entity_headers_come_from_their_own_variables() {
    // https://httpoxy.org; nginx sends HTTP_CONTENT_* too.
    let head = get(&[
        ("HTTP_PROXY", "http://evil.example"),
        ("HTTP_CONTENT_TYPE", "text/evil"),
        ("HTTP_CONTENT_LENGTH", "999"),
        ("HTTP_TRANSFER_ENCODING", "chunked"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "5"),
    ])
    .unwrap();
    assert_eq!(head.headers.len(), 2);
    assert_eq!(head.headers["content-type"], "text/plain");
    assert_eq!(head.headers["content-length"], "5");
    assert_eq!(head.content_length, Some(5));
    assert!(head.chunked);
}

#[test]
fn names_that_no_front_end_writes_are_dropped() {
    for name in [
        "HTTP_X-AUTH",
        "HTTP_x_auth",
        "HTTP_",
        "HTTP_A B",
        "HTTP_A:",
        "HTTP_\u{e9}",
        "HTTP_A\n",
    ] {
        assert!(get(&[(name, "1")]).unwrap().headers.is_empty(), "{name}");
    }
}

#[test]
fn a_header_said_twice_is_two_lines_but_host_is_the_later_one() {
    let head = get(&[
        ("HTTP_COOKIE", "a=1"),
        ("HTTP_HOST", "inner"),
        ("HTTP_COOKIE", "b=2"),
        ("HTTP_HOST", "example.com"),
    ])
    .unwrap();
    let cookies: Vec<_> = head.headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    let hosts: Vec<_> = head.headers.get_all("host").iter().collect();
    assert_eq!(hosts, ["example.com"]);
}

#[test]
fn a_variable_said_twice_is_the_later_one() {
    // `include fastcgi_params;` and then one's own line is how nginx is configured.
    let head = get(&[
        ("SCRIPT_NAME", "/hello"),
        ("PATH_INFO", "/hello"),
        ("SCRIPT_NAME", ""),
    ])
    .unwrap();
    assert_eq!((head.script_name(), head.path_info()), ("", "/hello"));
}

#[test]
fn content_headers_that_are_empty_are_absent() {
    let head = get(&[("CONTENT_TYPE", ""), ("CONTENT_LENGTH", "")]).unwrap();
    assert!(head.headers.is_empty());
    assert_eq!(head.content_length, None);
}

#[test]
fn what_makes_no_request_is_refused_with_its_status() {
    for length in [
        "-1",
        "+5",
        "5,5",
        " 5",
        "5 ",
        "0x10",
        "99999999999999999999",
        "\u{661}",
    ] {
        assert_eq!(
            get(&[("CONTENT_LENGTH", length)]).unwrap_err(),
            Refused::ContentLength,
            "{length}"
        );
    }
    for method in ["", "GE T", "G\u{e9}T", "GET\r\n"] {
        assert_eq!(
            get(&[("REQUEST_METHOD", method)]).unwrap_err(),
            Refused::Method,
            "{method:?}"
        );
    }
    assert_eq!(
        get(&[("HTTP_X", "a\u{1}")]).unwrap_err(),
        Refused::HeaderValue
    );
    assert_eq!(
        get(&[("CONTENT_TYPE", "a\r\nb")]).unwrap_err(),
        Refused::HeaderValue
    );
    let long = format!("/{}", "a".repeat(65_535));
    let refused = get(&[("PATH_INFO", &long)]).unwrap_err();
    assert_eq!(
        (refused, refused.status()),
        (Refused::UriTooLong, StatusCode::URI_TOO_LONG)
    );
    let longest = format!("/{}", "a".repeat(65_533));
    assert_eq!(
        get(&[("PATH_INFO", &longest)]).unwrap().uri.path().len(),
        65_534
    );
    let mut many = Variables::new();
    let refused = (0..100_000)
        .find_map(|n| many.set(format!("HTTP_X{n}").as_bytes(), b"").err())
        .unwrap();
    assert_eq!(
        refused.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
}

#[test]
fn methods_and_versions_of_any_name() {
    for (protocol, version) in [
        ("HTTP/1.0", Version::HTTP_10),
        ("HTTP/1.1", Version::HTTP_11),
        ("HTTP/2.0", Version::HTTP_2),
        ("HTTP/3.0", Version::HTTP_3),
        ("INCLUDED", Version::HTTP_11),
        ("", Version::HTTP_11),
    ] {
        assert_eq!(
            get(&[("SERVER_PROTOCOL", protocol)]).unwrap().version,
            version,
            "{protocol}"
        );
    }
    assert_eq!(
        get(&[("REQUEST_METHOD", "PROPFIND")]).unwrap().method,
        "PROPFIND"
    );
}

#[test]
fn the_peer_is_the_client_and_what_is_no_address_is_unknown() {
    for (address, port, expected) in [
        ("192.0.2.1", "5000", Some("192.0.2.1:5000")),
        ("192.0.2.1", "", Some("192.0.2.1:0")),
        ("192.0.2.1", "99999", Some("192.0.2.1:0")),
        ("2001:db8::1", "5000", Some("[2001:db8::1]:5000")),
        ("[2001:db8::1]", "5000", Some("[2001:db8::1]:5000")),
        ("fe80::1%eth0", "1", Some("[fe80::1]:1")),
        ("unix:", "", None),
        ("", "5000", None),
        ("example.com", "5000", None),
    ] {
        let head = get(&[
            ("REMOTE_ADDR", address),
            ("REMOTE_PORT", port),
            ("SERVER_ADDR", address),
            ("SERVER_PORT", port),
        ])
        .unwrap();
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!((head.remote, head.local), (expected, expected), "{address}");
    }
}

#[test]
fn https_is_what_the_front_end_says() {
    for (name, value, secure) in [
        ("HTTPS", "on", true),
        ("HTTPS", "1", true),
        ("HTTPS", "off", false),
        ("HTTPS", "", false),
        ("REQUEST_SCHEME", "https", true),
        ("REQUEST_SCHEME", "http", false),
        ("HTTP_HTTPS", "on", false),
        ("HTTP_X_FORWARDED_PROTO", "https", false),
    ] {
        assert_eq!(
            get(&[(name, value)]).unwrap().secure,
            secure,
            "{name}={value}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_make_a_request_or_are_refused(
        request_uri in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        script in "[/a%# ?\u{e9}]{0,6}",
        info in proptest::collection::vec(any::<u8>(), 0..12),
        query in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..12)),
        mount in proptest::option::of("(/[a ]{1,3})?"),
    ) {
        let mut variables: Vec<(&str, &[u8])> = vec![("SCRIPT_NAME", script.as_bytes()), ("PATH_INFO", &info)];
        variables.extend(request_uri.as_deref().map(|uri| ("REQUEST_URI", uri)));
        variables.extend(query.as_deref().map(|query| ("QUERY_STRING", query)));
        let head = head(&variables, mount.as_deref()).unwrap();
        prop_assert_eq!(head.client_path(), format!("{}{}", head.script_name(), head.path_info()));
        if head.path_info().is_empty() {
            prop_assert_eq!(head.uri.path(), "/");
        } else {
            prop_assert_eq!(head.uri.path(), head.path_info());
        }
        prop_assert!(head.client_path() == "*" || head.client_path().starts_with('/'));
        prop_assert!(head.client_path().is_ascii());
    }

    #[test]
    fn what_the_front_end_decoded_is_what_the_application_decodes(
        script in proptest::option::of("/[a-z %?\u{e9}]{1,4}"),
        info in "/[a-z/ %?\u{e9}]{0,6}",
    ) {
        let script = script.unwrap_or_default();
        let head = get(&[("SCRIPT_NAME", &script), ("PATH_INFO", &info)]).unwrap();
        let decode = |raw: &str| percent_encoding::percent_decode_str(raw).collect::<Vec<u8>>();
        prop_assert_eq!(decode(head.script_name()), script.as_bytes());
        prop_assert_eq!(decode(head.path_info()), info.as_bytes());
    }

    /// Else a consumer that redirects other spellings would send the client to a path that it has
    /// not asked for, and again from there.
    #[test]
    fn a_decoded_path_is_spelled_canonically(
        request_uri in proptest::option::of("/old[a-z%]{0,4}"),
        script in "(/[a-z~.%\u{e9}]{1,4})?",
        info in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'%'), Just(b'\\'), any::<u8>()], 0..12),
    ) {
        let info = [b"/new", info.as_slice()].concat();
        let mut variables: Vec<(&str, &[u8])> = vec![("SCRIPT_NAME", script.as_bytes()), ("PATH_INFO", &info)];
        variables.extend(request_uri.as_deref().map(|uri| ("REQUEST_URI", uri.as_bytes())));
        let head = head(&variables, None).unwrap();
        for path in [head.client_path(), head.uri.path()] {
            prop_assert_eq!(gateway_core::paths::Spelling::of(path).canonical(), path);
        }
        let decode = |raw: &str| percent_encoding::percent_decode_str(raw).collect::<Vec<u8>>();
        prop_assert_eq!(decode(head.path_info()), info);
    }
}
