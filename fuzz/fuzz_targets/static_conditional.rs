//! Any bytes as If-Match, If-None-Match, the dates, and If-Range.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use libfuzzer_sys::fuzz_target;
use middleware_static::EntityTag;
use middleware_static::conditional::{Decision, Validators, evaluate, range_applies};

const NAMES: [HeaderName; 4] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

fuzz_target!(|input: (bool, Option<u64>, Vec<(u8, Vec<u8>)>)| {
    let (weak, last_modified, lines) = input;
    let etag = if weak {
        EntityTag::weak("a,b")
    } else {
        EntityTag::strong("a,b")
    };
    let validators = Validators {
        etag: etag.as_ref(),
        last_modified,
        last_modified_is_strong: !weak,
    };
    let mut fields = HeaderMap::new();
    for (name, value) in &lines {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            continue;
        };
        let _ = range_applies(&value, validators);
        fields.append(NAMES[usize::from(*name) % NAMES.len()].clone(), value);
    }
    let get = evaluate(&Method::GET, &fields, validators);
    // What is not modified for one who reads has failed for one who writes, or is no matter to him.
    let put = evaluate(&Method::PUT, &fields, validators);
    assert!(put != Decision::NotModified);
    assert!(get != Decision::Failed || put == Decision::Failed);
});
