//! Any body as an upload, cut anywhere: no panic, no error but the client's, and the same parts however it is cut.
#![no_main]

use std::io::Read;

use gateway_core::{Body, Environ};
use gateway_web::{EnvironExt, UploadLimits};
use libfuzzer_sys::fuzz_target;

/// Name, cleaned file name and content of each part, and the status of what ended it.
type Seen = (Vec<(String, Option<String>, Vec<u8>)>, Option<u16>);

fuzz_target!(|input: (u8, &[u8])| {
    let (size, body) = input;
    let whole = read(vec![body.to_vec()]);
    let size = usize::from(size).max(1);
    let cut = read(body.chunks(size).map(<[u8]>::to_vec).collect());
    assert_eq!(whole, cut);
});

fn read(chunks: Vec<Vec<u8>>) -> Seen {
    let mut environ = Environ::builder()
        .method("POST")
        .header("content-type", "multipart/form-data; boundary=X")
        .body(Body::chunks(chunks))
        .build();
    let limits = UploadLimits::default()
        .parts(20)
        .fields_of(1000)
        .files_of(2000);
    let mut seen = Vec::new();
    for part in environ
        .multipart(limits)
        .expect("the type and the boundary fit")
    {
        let mut part = match part {
            Ok(part) => part,
            Err(error) => {
                assert!(error.status().is_client_error(), "{error}");
                return (seen, Some(error.status().as_u16()));
            }
        };
        if let Some(name) = part.file_name() {
            assert!(
                !name.contains(['/', '\\', '\0']) && !name.starts_with('.'),
                "{name:?}"
            );
        }
        let mut content = Vec::new();
        if let Err(error) = part.read_to_end(&mut content) {
            let error = gateway_core::Error::from(error);
            assert!(error.status().is_client_error(), "{error}");
            return (seen, Some(error.status().as_u16()));
        }
        assert!(content.len() <= 2000);
        seen.push((part.name().to_owned(), part.file_name(), content));
    }
    (seen, None)
}
