//! Any variables make a request or are refused; the halves of the path are the whole.
#![no_main]

use gateway_core::paths::Prefix;
use gateway_server::cgi_environ::Variables;
use libfuzzer_sys::fuzz_target;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fuzz_target!(
    |input: (Pairs, Vec<u8>, Vec<u8>, Vec<u8>, Option<String>)| {
        let (more, request_uri, script_name, path_info, mount) = input;
        let mount = mount.and_then(|mount| Prefix::new(&mount).ok());
        let mut variables = Variables::new();
        let own = [
            (&b"REQUEST_METHOD"[..], b"GET".to_vec()),
            (b"REQUEST_URI", request_uri),
            (b"SCRIPT_NAME", script_name),
            (b"PATH_INFO", path_info),
        ];
        for (name, value) in &own {
            variables.set(name, value).unwrap();
        }
        for (name, value) in &more {
            if variables.set(name, value).is_err() {
                return;
            }
        }
        let Ok(head) = variables.into_head(mount.as_ref()) else {
            return;
        };
        let halves = format!("{}{}", head.script_name(), head.path_info());
        assert_eq!(head.client_path(), halves);
        assert!(head.client_path() == "*" || head.client_path().starts_with('/'));
        assert!(!head.script_name().starts_with("//"));
        match head.path_info() {
            "" => assert_eq!(head.uri.path(), "/"),
            path_info => assert_eq!(head.uri.path(), path_info),
        }
    }
);
