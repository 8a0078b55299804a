//! A FastCGI front end made by hand: it can send what no front end would.

use std::io::{Read, Write};
use std::net::TcpStream;

use gateway_server::fastcgi::record::{BeginRequest, Header, Kind, Role, put_pair};

use crate::support::Answer;

/// A record as it goes over the wire.
pub(crate) fn record(kind: Kind, id: u16, content: &[u8]) -> Vec<u8> {
    let header = Header::new(kind, id, content.len().try_into().unwrap());
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + usize::from(header.padding_length), 0xAA);
    bytes
}

pub(crate) fn begin(id: u16, keep: bool) -> Vec<u8> {
    record(
        Kind::BEGIN_REQUEST,
        id,
        &BeginRequest {
            role: Role::RESPONDER,
            keep_connection: keep,
        }
        .encode(),
    )
}

/// A stream in records of at most 32 KiB, and its end.
pub(crate) fn stream(kind: Kind, id: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = content
        .chunks(32 * 1024)
        .flat_map(|chunk| record(kind, id, chunk))
        .collect();
    bytes.extend(record(kind, id, &[]));
    bytes
}

pub(crate) fn pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in pairs {
        put_pair(&mut bytes, name.as_ref(), value.as_ref());
    }
    bytes
}

/// BEGIN and PARAMS of a request for `path`.
pub(crate) fn head(
    id: u16,
    keep: bool,
    method: &str,
    path: &str,
    more: &[(&str, &str)],
) -> Vec<u8> {
    let mut params = pairs(&[
        ("REQUEST_METHOD", method),
        ("PATH_INFO", path),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ]);
    params.extend(pairs(more));
    [begin(id, keep), stream(Kind::PARAMS, id, &params)].concat()
}

pub(crate) fn get(id: u16, keep: bool, path: &str) -> Vec<u8> {
    [
        head(id, keep, "GET", path, &[]),
        stream(Kind::STDIN, id, &[]),
    ]
    .concat()
}

pub(crate) fn post(id: u16, keep: bool, path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let head = head(id, keep, "POST", path, &[("CONTENT_LENGTH", &length)]);
    [head, stream(Kind::STDIN, id, body)].concat()
}

/// What came back for one request.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Application and protocol status; `None` where the connection closed without an end.
    pub(crate) end: Option<(u32, u8)>,
    pub(crate) records: Vec<Header>,
}

impl Reply {
    pub(crate) fn answer(&self) -> Answer {
        assert_eq!(
            self.end,
            Some((0, 0)),
            "{:?}",
            String::from_utf8_lossy(&self.stdout)
        );
        Answer::parse(&self.stdout)
    }
}

/// The next record; `None` at the end of the connection.
pub(crate) fn next(stream: &mut TcpStream) -> Option<(Header, Vec<u8>)> {
    let mut header = [0; 8];
    let mut got = 0;
    while got < 8 {
        match stream.read(&mut header[got..]) {
            Ok(0) if got == 0 => return None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Ok(0) => panic!("half a header"),
            Ok(read) => got += read,
            Err(error) => panic!("{error}"),
        }
    }
    let header = Header::parse(header).unwrap();
    let mut content = vec![0; usize::from(header.content_length)];
    stream.read_exact(&mut content).unwrap();
    let mut padding = vec![0; usize::from(header.padding_length)];
    stream.read_exact(&mut padding).unwrap();
    Some((header, content))
}

/// All records up to the end of request `id`, or of the connection.
pub(crate) fn reply(stream: &mut TcpStream, id: u16) -> Reply {
    let mut reply = Reply::default();
    let mut ended = false;
    while let Some((header, content)) = next(stream) {
        assert_eq!(header.id, id, "{header:?}");
        reply.records.push(header);
        match header.kind {
            Kind::STDOUT => {
                assert!(!ended, "STDOUT after its end");
                ended = content.is_empty();
                reply.stdout.extend(content);
            }
            Kind::STDERR => reply.stderr.extend(content),
            Kind::END_REQUEST => {
                assert!(ended || reply.stdout.is_empty(), "STDOUT was not ended");
                assert_eq!(content.len(), 8);
                reply.end = Some((
                    u32::from_be_bytes(content[..4].try_into().unwrap()),
                    content[4],
                ));
                break;
            }
            kind => panic!("{kind:?}"),
        }
    }
    reply
}

pub(crate) fn exchange(stream: &mut TcpStream, id: u16, request: &[u8]) -> Reply {
    stream.write_all(request).unwrap();
    reply(stream, id)
}

pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    next(stream).is_none()
}
