//! How much of an upload is held at once, by counting what is allocated.

use std::io;

use bytes::Bytes;
use gateway_core::{Body, Environ};
use gateway_web::{EnvironExt, UploadLimits};

const HEAD: &str = "--X\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\n";

fn most_held(body: Body, limits: UploadLimits) -> u64 {
    let mut environ = Environ::builder()
        .method("POST")
        .header("content-type", "multipart/form-data; boundary=X")
        .body(body)
        .build();
    let measured = allocation_counter::measure(|| {
        for part in environ.multipart(limits).unwrap() {
            let Ok(mut part) = part else { break };
            let _ = io::copy(&mut part, &mut io::sink());
        }
    });
    measured.bytes_max
}

/// `pieces` times the same 64 KiB, which are allocated once.
fn repeated(start: &'static str, piece: &str, pieces: usize) -> Body {
    let piece = Bytes::from(piece.repeat(64 * 1024 / piece.len()));
    let start = std::iter::once(Bytes::from_static(start.as_bytes()));
    Body::chunks(start.chain(std::iter::repeat_n(piece, pieces)))
}

#[test]
fn an_upload_holds_a_chunk_and_a_head_whatever_its_size() {
    let limits = UploadLimits::default()
        .files_of(u64::MAX)
        .whole(u64::MAX)
        .parts(usize::MAX);
    for (what, start, piece) in [
        ("a large file", HEAD, "content "),
        ("a file of line breaks", HEAD, "\r\n"),
        ("a file of half boundaries", HEAD, "\r\n--"),
        ("a preamble without end", "", "preamble"),
        ("a head without end", "--X\r\n", "x: y\r\n\0\0"),
        (
            "many parts",
            "",
            "--X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n",
        ),
    ] {
        let small = most_held(repeated(start, piece, 16), limits);
        let large = most_held(repeated(start, piece, 16 * 8), limits);
        assert!(large < 256 * 1024, "{what}: {large} bytes");
        assert!(
            large <= small + 1024,
            "{what}: {small} bytes of 1 MiB, {large} of 8 MiB"
        );
    }
}
