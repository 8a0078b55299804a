//! Any text as a cookie and as the name of a file: no panic, and what is written is read again.
#![no_main]

use gateway_core::{Environ, Reply};
use gateway_web::{CookieKeys, Download, EnvironExt, ReplyExt};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environ = Environ::builder().build();
    if let Ok(field) = environ.new_cookie("name", text).field() {
        let sent = field.split("; ").next().unwrap_or_default();
        let back = Environ::builder().header("cookie", sent).build();
        assert_eq!(back.cookie("name").as_deref(), Some(text), "{field}");
    }
    let keys = CookieKeys::new(&[7; 32]).expect("long enough");
    let reply = Reply::text("").set_signed_cookie(&keys, environ.new_cookie("name", text));
    if let Ok(response) = reply.into_response() {
        let field = response.headers()["set-cookie"]
            .to_str()
            .expect("visible ASCII");
        let back =
            Environ::builder().header("cookie", field.split("; ").next().unwrap_or_default());
        assert_eq!(
            back.build().signed_cookie(&keys, "name").as_deref(),
            Some(text),
            "{field}"
        );
    }
    let download = Download::new(std::io::Cursor::new("x"), text).expect("a cursor seeks");
    let response = environ
        .download(download)
        .and_then(Reply::into_response)
        .expect("any name");
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("content-disposition"));
});
