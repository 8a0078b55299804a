//! What the benches share: one request through a service, and counted allocations.

pub mod least;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    pin::{Pin, pin},
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::Service;

/// Counts allocations, and what is allocated now.
pub struct Counting;

pub static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to `System`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

/// The handler under all layers.
pub fn handler(
    _: Request<Full<Bytes>>,
) -> std::future::Ready<Result<Response<Full<Bytes>>, std::convert::Infallible>> {
    std::future::ready(Ok(Response::new(Full::new(Bytes::from_static(b"ok\n")))))
}

/// Ready, called, polled, and its body asked for as hyper asks. Returns the bytes of it.
#[inline(never)]
pub fn drive<S, B>(service: &mut S, request: Request<Full<Bytes>>) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body + Unpin,
    B::Data: AsRef<[u8]>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
    let response = {
        let mut future = pin!(service.call(request));
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(Ok(response)) => response,
            _ => panic!("it answers at once"),
        }
    };
    let mut body = black_box(response).into_body();
    let mut bytes = 0;
    if !body.is_end_stream() {
        black_box(body.size_hint());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
            if let Ok(data) = frame.into_data() {
                bytes += data.as_ref().len();
            }
            if body.is_end_stream() {
                break;
            }
        }
    }
    bytes
}
