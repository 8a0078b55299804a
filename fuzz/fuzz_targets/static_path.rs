//! Any text as the path of a request, and any bytes as a file name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use middleware_static::path::{Candidate, encode_path, encode_segment, is_windows_name};

fuzz_target!(|input: &[u8]| {
    let _ = is_windows_name(input);
    if let Ok(raw) = std::str::from_utf8(input)
        && let Ok(candidate) = Candidate::parse(raw)
    {
        let path = candidate.as_bytes();
        assert!(!path.contains(&0) && !path.starts_with(b"/"));
        let names = path.strip_suffix(b"/").unwrap_or(path);
        assert!(
            path.is_empty()
                || names
                    .split(|&byte| byte == b'/')
                    .all(|name| !matches!(name, b"" | b"." | b".."))
        );
        let again = format!("/{}", encode_path(path));
        assert_eq!(Candidate::parse(&again).unwrap().as_bytes(), path);
    }
    let name = !input.is_empty()
        && !input.iter().any(|&byte| byte == 0 || byte == b'/')
        && input != b"."
        && input != b"..";
    if name {
        let url = format!("/{}", encode_segment(input));
        assert_eq!(Candidate::parse(&url).unwrap().as_bytes(), input);
    }
});
