//! Name-value pairs never read beyond their stream, and what is read is written back the same.
#![no_main]

use gateway_server::fastcgi::record::{Pairs, put_pair};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut again = Vec::new();
    let mut read = Vec::new();
    for pair in Pairs::new(stream) {
        let Ok((name, value)) = pair else { return };
        put_pair(&mut again, name, value);
        read.push((name, value));
    }
    let reread: Vec<_> = Pairs::new(&again).map(Result::unwrap).collect();
    assert_eq!(read, reread);
    assert!(again.len() <= stream.len());
});
