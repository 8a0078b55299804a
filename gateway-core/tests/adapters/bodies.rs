//! What a long body's pieces go through on their way from a thread of the pool.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gateway_core::adapt::BlockingService;
use gateway_core::{Application, Body, Environ, Reply, application};
use http::Request;
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::server::multi_thread;

/// Pieces of all sizes, which no two of a hundred have the same bytes.
fn piece(n: usize) -> Vec<u8> {
    let byte = u8::try_from(n % 251).unwrap();
    vec![byte; n * 7919 % 70_000 + 1]
}

const PIECES: usize = 300;

async fn frames(body: Body) -> impl Iterator<Item = Bytes> {
    let mut body = body;
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap());
        // So that the producer is behind at times, and ahead at others.
        if frames.len() % 17 == 0 {
            tokio::task::yield_now().await;
        }
    }
    frames.into_iter()
}

#[test]
fn every_piece_arrives_as_it_was_made_though_all_are_kept() {
    let chunks = application(|_: &mut Environ| Reply::new(Body::chunks((0..PIECES).map(piece))))
        .into_service();
    multi_thread().block_on(async {
        let mut bodies = JoinSet::new();
        for _ in 0..20 {
            let answer = chunks.clone().oneshot(Request::new(Body::empty()));
            bodies.spawn(async { frames(answer.await.unwrap().into_body()).await });
        }
        for frames in bodies.join_all().await {
            let mut made = 0..PIECES;
            for (frame, n) in frames.zip(&mut made) {
                assert_eq!(frame, piece(n), "{n}");
            }
            assert!(made.is_empty());
        }
    });
}

#[test]
fn every_write_arrives_as_it_was_written() {
    let writer = application(|_: &mut Environ| {
        Reply::new(Body::from_writer(|out| -> io::Result<()> {
            (0..PIECES).try_for_each(|n| out.write_all(&piece(n)))
        }))
    });
    let service = writer.into_service();
    let whole: Vec<u8> = (0..PIECES).flat_map(piece).collect();
    multi_thread().block_on(async {
        let mut bodies = JoinSet::new();
        for _ in 0..20 {
            let answer = service.clone().oneshot(Request::new(Body::empty()));
            bodies.spawn(async { frames(answer.await.unwrap().into_body()).await });
        }
        for frames in bodies.join_all().await {
            assert!(frames.collect::<Vec<_>>().concat() == whole);
        }
    });
}

#[derive(Clone, Default)]
struct Made(Arc<AtomicUsize>);

/// In pieces of 1 KiB with what a piece costs besides.
fn endless() -> impl Application {
    application(|_: &mut Environ| {
        let made = Made::default();
        let count = made.clone();
        let chunks = std::iter::repeat_with(move || {
            count.0.fetch_add(1, Ordering::SeqCst);
            vec![b'x'; 1024 - 64]
        });
        let mut response = http::Response::new(Body::chunks(chunks));
        response.extensions_mut().insert(made);
        response
    })
}

/// Reads so many KiB, half of what is there, and each time waits until as many have been made ahead, and no more are.
async fn read_and_see_ahead(
    service: &BlockingService<impl Application>,
    steps: [(usize, usize); 4],
) {
    let answer = service.clone().oneshot(Request::new(Body::empty()));
    let response = answer.await.unwrap();
    let Made(made) = response.extensions().get().cloned().unwrap();
    let mut body = response.into_body();
    let mut read = 0;
    for (more, ahead) in steps {
        for _ in 0..more {
            body.frame().await.unwrap().unwrap();
        }
        read += more;
        let enough = async {
            while made.load(Ordering::SeqCst) < read + ahead {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let enough = tokio::time::timeout(Duration::from_secs(60), enough).await;
        enough.unwrap_or_else(|_| panic!("{ahead} KiB ahead after {read}"));
        tokio::time::sleep(Duration::from_millis(3)).await;
        assert_eq!(made.load(Ordering::SeqCst), read + ahead, "after {read}");
    }
}

#[test]
fn a_client_that_takes_what_is_made_for_it_has_more_made_the_next_time() {
    let service = endless().into_service();
    multi_thread().block_on(async {
        // More often than the reserve would last if each kept its part.
        for _ in 0..60 {
            let steps = [(0, 64), (32, 128), (64, 256), (128, 256)];
            read_and_see_ahead(&service, steps).await;
        }
    });
}

#[test]
fn with_a_buffer_that_was_set_it_has_not() {
    let service = endless().into_service().output_buffer(64 * 1024);
    multi_thread().block_on(async {
        read_and_see_ahead(&service, [(0, 64), (32, 64), (32, 64), (32, 64)]).await;
    });
}

#[test]
fn what_others_have_as_well_is_passed_on_and_not_copied() {
    static PAGE: [u8; 16 * 1024] = [b'x'; 16 * 1024];
    let shared = Bytes::from(PAGE.to_vec());
    let places = [PAGE.as_ptr() as usize, shared.as_ptr() as usize];
    let app = application(move |_: &mut Environ| {
        let both = [Bytes::from_static(&PAGE), shared.clone()];
        Reply::new(Body::chunks((0..100).flat_map(move |_| both.clone())))
    });
    multi_thread().block_on(async {
        let answer = app.into_service().oneshot(Request::new(Body::empty()));
        let frames = frames(answer.await.unwrap().into_body()).await;
        let came: Vec<usize> = frames.map(|frame| frame.as_ptr() as usize).collect();
        assert_eq!(came, places.repeat(100));
    });
}

#[test]
fn a_long_body_leaves_the_application_what_it_allocates() {
    let made = Arc::new(Mutex::new(Vec::new()));
    let places = Arc::clone(&made);
    let app = application(move |_: &mut Environ| {
        let places = Arc::clone(&places);
        Reply::new(Body::chunks((0..200).map(move |_| {
            let piece = vec![b'x'; 16 * 1024];
            places.lock().unwrap().push(piece.as_ptr() as usize);
            piece
        })))
    });
    multi_thread().block_on(async {
        let answer = app.into_service().oneshot(Request::new(Body::empty()));
        let frames = frames(answer.await.unwrap().into_body()).await;
        let made = made.lock().unwrap();
        let same = frames.zip(&*made);
        let same = same.filter(|(frame, place)| frame.as_ptr() as usize == **place);
        // Its first 64 KiB might have been all.
        assert!(same.count() <= 4);
    });
}
