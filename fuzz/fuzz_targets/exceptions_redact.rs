//! A secret in a form that is known, with anything around it: it is not shown, however deep it is escaped.
#![no_main]

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use middleware_exceptions::redacted;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// No part of a name, a scheme or an escape.
const SECRET: &str = "zyzzyva";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    before: &'a str,
    after: &'a str,
    form: u8,
    escaped: u8,
}

fuzz_target!(|input: Input<'_>| {
    let Input {
        before,
        after,
        form,
        escaped,
    } = input;
    // What is cut off is not shown; what is looked for must be there once.
    if before.len() > 2048 || before.contains("zy") || after.contains("zy") {
        return;
    }
    let forms = [
        ("?password=", "&"),
        ("?code=", "&"),
        ("\n--password ", " "),
        ("\npassword: ", "\n"),
        ("\ntoken = ", " "),
        ("\n{\"password\":\"", "\"}"),
        ("\nA { password: Some(\"", "\") }"),
        ("\n{\\\"token\\\": \\\"", "\\\"}"),
        ("\npostgres://app:", "@db/x"),
        ("\n<password>", "</password>"),
        ("\nAuthorization: Bearer ", "\n"),
        ("\nCookie: a=b; c=", "\n"),
    ];
    let (opens, closes) = forms[usize::from(form) % forms.len()];
    let mut inner = format!("{opens}{SECRET}{closes}");
    for _ in 0..escaped % 4 {
        inner = utf8_percent_encode(&inner, NON_ALPHANUMERIC).to_string();
    }
    let shown = redacted(&format!("{before}{inner}{after}"));
    assert!(!shown.contains(SECRET), "{shown}");
});
