//! Bodies that say which range of which file they are, for servers that have the kernel send it.
#![cfg(target_os = "linux")]

mod common;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use common::Site;
use gateway_core::body::{FileBody, Piece};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use middleware_static::source::{Directory, Io};
use middleware_static::{StaticFiles, StaticLayer};
use tower::{Layer, ServiceExt, service_fn};

const LENGTH: usize = 3_000_000;

fn site() -> (Site, Vec<u8>) {
    let bytes: Vec<u8> = (0..LENGTH as u32).map(|at| (at % 251) as u8).collect();
    let site = Site::with(&[("small.txt", "small")]);
    site.write("big.bin", &bytes);
    (site, bytes)
}

/// All of a body, and how many ranges of files there were in it.
async fn read<B: FileBody<Error: std::fmt::Debug>>(body: B) -> (Vec<u8>, usize) {
    let mut body = Box::pin(body);
    let (mut all, mut ranges) = (Vec::new(), 0);
    let mut owed = body.size_hint().exact().unwrap();
    while let Some(piece) = poll_fn(|cx| body.as_mut().poll_piece(cx)).await {
        match piece.unwrap() {
            Piece::Frame(frame) => {
                let bytes = frame.into_data().unwrap();
                owed -= bytes.len() as u64;
                all.extend_from_slice(&bytes);
            }
            Piece::File(range) => {
                ranges += 1;
                owed -= range.len() as u64;
                let mut bytes = vec![0; range.len()];
                let read = rustix::io::pread(range.file(), &mut *bytes, range.offset());
                assert_eq!(read, Ok(range.len()));
                all.extend_from_slice(&bytes);
            }
        }
        assert_eq!(body.size_hint().exact(), Some(owed));
        assert_eq!(body.is_end_stream(), owed == 0);
    }
    assert_eq!(owed, 0);
    (all, ranges)
}

async fn ask(files: &StaticFiles, path: &str, range: &str) -> (Vec<u8>, usize) {
    let request = Request::get(path).header("range", range).body(()).unwrap();
    let response = files.clone().oneshot(request).await.unwrap();
    read(response.into_body()).await
}

#[tokio::test]
async fn large_ranges_are_those_of_the_file_and_all_else_is_bytes() {
    let (site, bytes) = site();
    for files in [
        StaticFiles::new(site.root()),
        StaticFiles::new(site.root()).no_cache(),
    ] {
        assert_eq!(ask(&files, "/small.txt", "").await, (b"small".to_vec(), 0));
        let (all, ranges) = ask(&files, "/big.bin", "").await;
        assert!(all == bytes && ranges >= 2, "{ranges}");
        let (part, ranges) = ask(&files, "/big.bin", "bytes=7-1999999").await;
        assert!(part == bytes[7..2_000_000] && ranges >= 1, "{ranges}");
        let (part, ranges) = ask(&files, "/big.bin", "bytes=7-99999").await;
        assert!(part == bytes[7..100_000] && ranges == 0, "{ranges}");
        let (parts, ranges) = ask(&files, "/big.bin", "bytes=0-999999,1500000-2999999").await;
        assert!(ranges >= 2, "{ranges}");
        let text = String::from_utf8_lossy(&parts);
        assert!(text.contains("bytes 1500000-2999999/3000000"));
        let within = |part: &[u8]| parts.windows(part.len()).any(|window| window == part);
        assert!(within(&bytes[..2000]) && parts.len() > 2_500_000);
    }
}

#[tokio::test]
async fn what_has_no_descriptor_of_the_kernels_way_is_read() {
    let (site, bytes) = site();
    let portable = StaticFiles::from_source(Directory::new(site.root()).io(Io::Portable));
    let (all, ranges) = ask(&portable, "/big.bin", "").await;
    assert!(all == bytes && ranges == 0);
}

#[tokio::test]
async fn a_reader_of_bytes_gets_the_rest_wherever_the_ranges_stopped() {
    let (site, bytes) = site();
    let request = Request::get("/big.bin").body(()).unwrap();
    let response = StaticFiles::new(site.root())
        .oneshot(request)
        .await
        .unwrap();
    let mut body = response.into_body();
    let first = poll_fn(|cx| Pin::new(&mut body).poll_piece(cx)).await;
    let Some(Ok(Piece::File(range))) = first else {
        panic!("{first:?}");
    };
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest == bytes[range.len()..]);
}

#[tokio::test]
async fn a_layer_passes_both_on() {
    let (site, bytes) = site();
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, io::Error>(Response::new(Full::new(Bytes::from("application"))))
    });
    let service = StaticLayer::new("/public", site.root())
        .unwrap()
        .layer(inner);
    let ask = async |path: &str| {
        let request = Request::get(path).body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        read(response.into_body()).await
    };
    assert_eq!(ask("/").await, (b"application".to_vec(), 0));
    let (all, ranges) = ask("/public/big.bin").await;
    assert!(all == bytes && ranges >= 2);
}
