//! Any target, prefix and header: no panic, and SCRIPT_NAME + PATH_INFO is the client's path.

#![no_main]

use gateway_core::paths::{Prefix, ScriptName};
use gateway_core::{Environ, Input, RequestExt};
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (String, String, Vec<(Vec<u8>, Vec<u8>)>)| {
    let (target, prefix, headers) = input;
    let Ok(mut request) = Request::get(target).body(()) else {
        return;
    };
    for (name, value) in headers {
        let name = HeaderName::from_bytes(&name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&value)) {
            request.headers_mut().append(name, value);
        }
    }
    let path = match request.uri().path() {
        path if path.starts_with('/') => path.to_owned(),
        _ => String::new(),
    };
    for (name, value) in request.vars() {
        assert_eq!(request.var(&name), Some(value));
    }
    let _ = (
        request.request_uri(),
        request.application_uri(),
        request.path_str().is_ok(),
    );
    let below = ScriptName::below(&prefix, request.uri());
    if let Ok(below) = below {
        let split = below.split(request.uri().path()).unwrap();
        assert_eq!(
            below.client_path(),
            format!("{}{}", split.script_name, split.path_info)
        );
    }
    let (parts, ()) = request.into_parts();
    let mut environ = Environ::new(parts, Input::empty());
    if let Ok(prefix) = Prefix::new(&prefix) {
        environ.shift_prefix(&prefix);
    }
    loop {
        let whole = format!("{}{}", environ.raw_script_name(), environ.raw_path_info());
        assert_eq!(whole, path);
        if environ.shift_path_info().is_none() {
            break;
        }
    }
    assert_eq!(environ.raw_path_info(), "");
});
