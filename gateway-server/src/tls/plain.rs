//! What is said to a client that speaks HTTP in the clear where TLS is expected.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The client's scheme or port is wrong, and the text says so. In HTTP/1.1, which all clients can show.
const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain\r\n\
    content-length: 58\r\n\
    connection: close\r\n\r\n\
    This port speaks HTTPS: ask for an address with https://.\n";

/// Bytes that are read from the client behind its first ones, so that it can read the answer (RFC 9112 section 9.6).
const MOST_READ: usize = 64 * 1024;

/// Whether bytes that begin a connection can be the beginning of a request: a letter. TLS begins with a record of
/// type 22 (RFC 8446 section 5.1).
pub(super) fn is_plain(first: &[u8]) -> bool {
    first.first().is_some_and(u8::is_ascii_alphabetic)
}

/// Answers 400 to a client that [is plain](is_plain), and closes. The caller has a time limit.
pub(super) async fn turn_away<T>(io: &mut T) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(ANSWER).await?;
    io.shutdown().await?;
    let mut scratch = [0; 1024];
    let mut read = 0;
    while read < MOST_READ {
        match io.read(&mut scratch).await? {
            0 => break,
            more => read += more,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_length_that_it_says() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
    }

    #[test]
    fn requests_are_told_from_records() {
        for (first, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], true),
            (b"PRI * HTTP/2.0\r\n", true),
            (b"\x16\x03\x01", false),
            // SSL 2, and nothing at all.
            (b"\x80\x2e\x01", false),
            (b"", false),
        ] {
            assert_eq!(is_plain(first), expected, "{first:?}");
        }
    }
}
