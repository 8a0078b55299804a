//! The application: plain blocking code.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use gateway_core::paths::Prefix;
use gateway_core::{Body, Environ, Error, Reply};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// How many stream iterators were made, and how many of them were dropped.
static OPENED: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicU64 = AtomicU64::new(0);

/// What `X-Demo` asks for: `name` or `name=value`, separated by `;`.
struct Wishes(Vec<(String, String)>);

impl Wishes {
    fn of(environ: &Environ) -> Self {
        let header = environ.header("x-demo").unwrap_or("");
        let wishes = header.split(';').map(|wish| {
            let (name, value) = wish.split_once('=').unwrap_or((wish, ""));
            (name.trim().to_owned(), value.to_owned())
        });
        Self(wishes.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let parse = |value: &str| value.trim().parse().map_err(bad_request);
        self.get(name).map(parse).transpose()
    }
}

fn bad_request(error: std::num::ParseIntError) -> Error {
    Error::from(error).with_status(StatusCode::BAD_REQUEST)
}

/// Answers every path; below `/wiki` it is mounted once more.
pub fn application(environ: &mut Environ) -> Result<Reply, Error> {
    environ.shift_prefix(&Prefix::new("/wiki")?);
    let wishes = Wishes::of(environ);
    if wishes.get("error").is_some() {
        return Err(Error::msg("X-Demo asked for an error"));
    }
    if wishes.get("counters").is_some() {
        let (closed, opened) = (CLOSED.load(Ordering::SeqCst), OPENED.load(Ordering::SeqCst));
        return Ok(Reply::json(
            json!({ "opened": opened, "closed": closed }).to_string(),
        ));
    }
    if let Some(text) = wishes.get("errors") {
        writeln!(environ.errors(), "{text}")?;
    }
    let reply = if let Some(status) = wishes.number("status")? {
        plain_status(status)?
    } else if let Some(count) = wishes.get("stream") {
        stream(count, wishes.number("failat")?)?
    } else if let Some(length) = wishes.number("big")? {
        Reply::text(xs(length)).header("content-length", length)
    } else if let Some(length) = wishes.get("length") {
        // As it is: what is wrong about it is the server's to see.
        let length = HeaderValue::from_str(length)
            .map_err(|error| Error::from(error).with_status(StatusCode::BAD_REQUEST))?;
        Reply::text("hello\n").header("content-length", length)
    } else {
        if let Some(seconds) = wishes.number("sleep")? {
            thread::sleep(Duration::from_secs(seconds));
        }
        dump(environ, &wishes)?
    };
    if wishes.get("dup").is_none() {
        return Ok(reply);
    }
    Ok(reply
        .header("set-cookie", "a=1; Path=/")
        .header("set-cookie", "b=2; Path=/")
        .header("x-dup", "one"))
}

fn dump(environ: &mut Environ, wishes: &Wishes) -> Result<Reply, Error> {
    let mut document = Map::new();
    for (name, value) in environ
        .vars()
        .filter(|(name, _)| !name.starts_with("wsgi."))
    {
        // Latin-1: each byte is the character of that number.
        let text: String = value.iter().copied().map(char::from).collect();
        document.insert(name.into_owned(), text.into());
    }
    document.insert("url_scheme".into(), environ.scheme().as_str().into());
    if wishes.get("noread").is_none() {
        let limit = wishes.number("read")?.unwrap_or(u64::MAX);
        let mut hash = Hashing(Sha256::new());
        let length = io::copy(&mut environ.input().take(limit), &mut hash)?;
        let hex: String = hash
            .0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        document.insert("input_len".into(), length.into());
        document.insert("input_sha256".into(), hex.into());
    }
    Ok(Reply::json(Value::Object(document).to_string()))
}

fn plain_status(code: u64) -> Result<Reply, Error> {
    let code = u16::try_from(code)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok());
    let bad = || Error::new(StatusCode::BAD_REQUEST, "no such status");
    let status = code
        .filter(|code| !code.is_informational())
        .ok_or_else(bad)?;
    Ok(match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => {
            Reply::status(status).header("etag", "\"demo\"")
        }
        _ => Reply::text("status\n").with_status(status),
    })
}

fn stream(wish: &str, fail_at: Option<u64>) -> Result<Reply, Error> {
    let (count, pause) = wish.split_once(',').unwrap_or((wish, "0"));
    let count: u64 = count.trim().parse().map_err(bad_request)?;
    let pause: u64 = pause.trim().parse().map_err(bad_request)?;
    OPENED.fetch_add(1, Ordering::SeqCst);
    let chunks = Stream {
        chunks: 0..count,
        pause: Duration::from_millis(pause),
        fail_at,
    };
    Ok(Reply::text(Body::try_chunks(chunks)))
}

/// The iterator of `stream=`; PEP 3333's `close()` is its `Drop`.
struct Stream {
    chunks: std::ops::Range<u64>,
    pause: Duration,
    fail_at: Option<u64>,
}

impl Iterator for Stream {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.chunks.next()?;
        if chunk > 0 {
            thread::sleep(self.pause);
        }
        Some(match self.fail_at {
            Some(fail_at) if chunk == fail_at => Err(Error::msg("X-Demo asked to fail here")),
            _ => Ok(format!("chunk-{chunk}\n")),
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        CLOSED.fetch_add(1, Ordering::SeqCst);
    }
}

fn xs(length: u64) -> Body {
    static XS: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let mut left = length;
    Body::chunks(std::iter::from_fn(move || {
        let chunk = left.min(XS.len() as u64);
        left -= chunk;
        (chunk > 0).then(|| &XS[..chunk as usize])
    }))
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
