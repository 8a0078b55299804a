//! Bodies that write, polled where no runtime runs.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_core::{Body, Input};

/// Polled, as a server would, by a thread that waits.
fn polled(body: Body) -> Input {
    Input::from_body(body)
}

#[test]
fn a_writer_is_polled_in_order_and_to_its_end() {
    let body = Body::from_writer(|out| (0..100_000).try_for_each(|n| writeln!(out, "{n}")));
    let mut text = String::new();
    polled(body).read_to_string(&mut text).unwrap();
    assert!(
        text.lines()
            .enumerate()
            .all(|(n, line)| line == n.to_string())
    );
    assert_eq!(text.lines().count(), 100_000);
}

#[test]
fn a_writer_waits_for_its_reader() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let body = Body::from_writer(move |out| {
        (0..1000).try_for_each(|_| {
            out.write_all(&[b'x'; 1024])?;
            count.fetch_add(1024, Ordering::SeqCst);
            io::Result::Ok(())
        })
    });
    let mut input = polled(body);
    input.read_exact(&mut [0; 10]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    let ahead = written.load(Ordering::SeqCst);
    assert!((60 * 1024..=66 * 1024).contains(&ahead), "{ahead}");
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), 1000 * 1024 - 10);
}

#[test]
fn an_error_of_the_writer_cuts_the_body_short() {
    let body = Body::from_writer(|out| {
        out.write_all(b"begun")?;
        Err(io::Error::other("no more"))
    });
    let mut text = Vec::new();
    let error = polled(body).read_to_end(&mut text).unwrap_err();
    assert_eq!(
        (&*text, error.to_string()),
        (&b"begun"[..], "no more".into())
    );
}

#[test]
fn a_panic_of_the_writer_goes_on_in_the_reader() {
    let body = Body::from_writer(|out| -> io::Result<()> {
        out.write_all(b"begun")?;
        panic!("expected: a writer panics");
    });
    let mut input = polled(body);
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        input.read_to_end(&mut Vec::new())
    }));
    let payload = read.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"expected: a writer panics"));
}
