//! Any bytes as Accept-Encoding, on any number of lines.
#![no_main]

use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use middleware_static::negotiate::{Coding, Preference};

fuzz_target!(|lines: Vec<Vec<u8>>| {
    let mut fields = HeaderMap::new();
    for line in &lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            fields.append(header::ACCEPT_ENCODING, value);
        }
    }
    let preference = Preference::parse(&fields);
    let codings: Vec<Coding> = preference.iter().collect();
    assert!(codings.len() <= 4);
    assert_eq!(
        codings.contains(&Coding::Identity),
        preference.accepts_identity()
    );
    // The file itself, where it is acceptable, is the last resort and nothing stands behind it.
    assert!(
        codings
            .iter()
            .rev()
            .skip(1)
            .all(|&coding| coding != Coding::Identity)
    );
});
