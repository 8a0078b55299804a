//! Whatever a front end sends, a connection ends when its bytes do, and what it answers is records.
#![no_main]

use std::convert::Infallible;

use gateway_core::Body;
use gateway_server::fastcgi::{Server, record::Header};
use http::{Request, Response};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fuzz_target!(|bytes: &[u8]| {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (mut front_end, io) = tokio::io::duplex(1 << 20);
        let echo = tower::service_fn(|request: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
        let serving = Server::new().serve_connection(io, echo);
        let asking = async {
            let (asked, _) = bytes.split_at(bytes.len().min(1 << 19));
            let _ = front_end.write_all(asked).await;
            let _ = front_end.shutdown().await;
            let mut answer = Vec::new();
            let _ = front_end.read_to_end(&mut answer).await;
            answer
        };
        let ((), answer) = tokio::join!(serving, asking);
        let mut rest = answer.as_slice();
        while let Some((header, after)) = rest.split_first_chunk() {
            let header = Header::parse(*header).expect("a record of ours");
            let length = usize::from(header.content_length) + usize::from(header.padding_length);
            rest = after.get(length..).expect("the whole record");
        }
        assert!(rest.is_empty());
    });
});
