//! The records of FastCGI 1.0, as values: headers, bodies of fixed shape, name-value pairs.
//!
//! No sockets and no state: [section 3 and 5 of the
//! specification](https://fastcgi-archives.github.io/FastCGI_Specification.html) as functions.
//! Useful on its own to a program that talks to a FastCGI application.
//!
//! ```
//! use gateway_server::fastcgi::record::{Header, Kind, Pairs, put_pair};
//!
//! let mut params = Vec::new();
//! put_pair(&mut params, b"REQUEST_METHOD", b"GET");
//! let header = Header::new(Kind::PARAMS, 1, 19);
//! assert_eq!(header.padding_length, 5); // to a multiple of eight
//!
//! let mut pairs = Pairs::new(&params);
//! assert_eq!(pairs.next(), Some(Ok((&b"REQUEST_METHOD"[..], &b"GET"[..]))));
//! assert_eq!(pairs.next(), None);
//! ```

use std::error::Error;
use std::fmt;

/// The type of a record: section 8, `FCGI_Header.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// FCGI_BEGIN_REQUEST, to the application.
    pub const BEGIN_REQUEST: Self = Self(1);
    /// FCGI_ABORT_REQUEST, to the application.
    pub const ABORT_REQUEST: Self = Self(2);
    /// FCGI_END_REQUEST, from the application.
    pub const END_REQUEST: Self = Self(3);
    /// FCGI_PARAMS, a stream to the application.
    pub const PARAMS: Self = Self(4);
    /// FCGI_STDIN, a stream to the application.
    pub const STDIN: Self = Self(5);
    /// FCGI_STDOUT, a stream from the application.
    pub const STDOUT: Self = Self(6);
    /// FCGI_STDERR, a stream from the application.
    pub const STDERR: Self = Self(7);
    /// FCGI_DATA, a stream to an application in the Filter role.
    pub const DATA: Self = Self(8);
    /// FCGI_GET_VALUES, management, to the application.
    pub const GET_VALUES: Self = Self(9);
    /// FCGI_GET_VALUES_RESULT, management, from the application.
    pub const GET_VALUES_RESULT: Self = Self(10);
    /// FCGI_UNKNOWN_TYPE, management, from the application.
    pub const UNKNOWN_TYPE: Self = Self(11);
}

/// The eight bytes in front of every record: section 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the record is.
    pub kind: Kind,
    /// The request it belongs to; 0 for management records.
    pub id: u16,
    /// Bytes of content that follow.
    pub content_length: u16,
    /// Bytes to be skipped after the content.
    pub padding_length: u8,
}

/// Bytes that are not FastCGI 1.0; what follows them on a connection cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The version byte of a record is not 1.
    Version(u8),
    /// FCGI_BEGIN_REQUEST with a body that is not eight bytes long.
    BeginRequest,
    /// A request began under the id of the one that is running.
    ReusedId(u16),
    /// The lengths in front of a name-value pair point beyond the end of the stream.
    Pairs,
    /// STDIN of more than 64 KiB in front of the end of PARAMS.
    EarlyInput,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "a record of FastCGI version {version}"),
            Self::BeginRequest => f.write_str("a FCGI_BEGIN_REQUEST of the wrong shape"),
            Self::ReusedId(id) => write!(f, "request id {id} began again while running"),
            Self::Pairs => f.write_str("a name-value pair longer than its stream"),
            Self::EarlyInput => {
                f.write_str("more than 64 KiB of FCGI_STDIN before the end of FCGI_PARAMS")
            }
        }
    }
}

impl Error for Malformed {}

impl Header {
    /// Length of a header in bytes.
    pub const LEN: usize = 8;

    /// A header for so many bytes of content, padded to a multiple of eight as section 3.3 recommends.
    #[must_use]
    pub const fn new(kind: Kind, id: u16, content_length: u16) -> Self {
        let padding_length = (content_length.wrapping_neg() & 7) as u8;
        Self {
            kind,
            id,
            content_length,
            padding_length,
        }
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`Malformed::Version`].
    pub const fn parse(bytes: [u8; Self::LEN]) -> Result<Self, Malformed> {
        let [
            version,
            kind,
            id1,
            id0,
            length1,
            length0,
            padding_length,
            _reserved,
        ] = bytes;
        if version != 1 {
            return Err(Malformed::Version(version));
        }
        Ok(Self {
            kind: Kind(kind),
            id: u16::from_be_bytes([id1, id0]),
            content_length: u16::from_be_bytes([length1, length0]),
            padding_length,
        })
    }

    /// The header as it goes over the wire.
    #[must_use]
    pub const fn encode(self) -> [u8; Self::LEN] {
        let [id1, id0] = self.id.to_be_bytes();
        let [length1, length0] = self.content_length.to_be_bytes();
        [
            1,
            self.kind.0,
            id1,
            id0,
            length1,
            length0,
            self.padding_length,
            0,
        ]
    }
}

/// The role an application is asked to play: section 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role(pub u16);

impl Role {
    /// Answers requests: the one role that servers use, and the one that is played here.
    pub const RESPONDER: Self = Self(1);
    /// Allows or refuses requests.
    pub const AUTHORIZER: Self = Self(2);
    /// Filters a file.
    pub const FILTER: Self = Self(3);
}

/// The body of FCGI_BEGIN_REQUEST: section 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeginRequest {
    /// What is asked of the application.
    pub role: Role,
    /// FCGI_KEEP_CONN: the connection stays open after the request.
    pub keep_connection: bool,
}

impl BeginRequest {
    /// Reads the body.
    #[must_use]
    pub const fn parse(body: [u8; 8]) -> Self {
        let [role1, role0, flags, ..] = body;
        Self {
            role: Role(u16::from_be_bytes([role1, role0])),
            keep_connection: flags & 1 != 0,
        }
    }

    /// The body as it goes over the wire.
    #[must_use]
    pub const fn encode(self) -> [u8; 8] {
        let [role1, role0] = self.role.0.to_be_bytes();
        [role1, role0, self.keep_connection as u8, 0, 0, 0, 0, 0]
    }
}

/// How a request ended, for the protocol: section 5.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolStatus(pub u8);

impl ProtocolStatus {
    /// FCGI_REQUEST_COMPLETE.
    pub const REQUEST_COMPLETE: Self = Self(0);
    /// FCGI_CANT_MPX_CONN: one request at a time on a connection.
    pub const CANT_MPX_CONN: Self = Self(1);
    /// FCGI_OVERLOADED.
    pub const OVERLOADED: Self = Self(2);
    /// FCGI_UNKNOWN_ROLE.
    pub const UNKNOWN_ROLE: Self = Self(3);
}

/// A whole FCGI_END_REQUEST record.
#[must_use]
pub fn end_request(id: u16, application: u32, protocol: ProtocolStatus) -> [u8; 16] {
    let mut record = [0; 16];
    let (header, body) = record.split_at_mut(8);
    header.copy_from_slice(&Header::new(Kind::END_REQUEST, id, 8).encode());
    let [a3, a2, a1, a0] = application.to_be_bytes();
    body.copy_from_slice(&[a3, a2, a1, a0, protocol.0, 0, 0, 0]);
    record
}

/// A whole FCGI_UNKNOWN_TYPE record: section 4.2.
#[must_use]
pub fn unknown_type(kind: Kind) -> [u8; 16] {
    let mut record = [0; 16];
    let (header, body) = record.split_at_mut(8);
    header.copy_from_slice(&Header::new(Kind::UNKNOWN_TYPE, 0, 8).encode());
    body.copy_from_slice(&[kind.0, 0, 0, 0, 0, 0, 0, 0]);
    record
}

/// A whole FCGI_GET_VALUES_RESULT record for the names asked for in `query`: section 4.1.
///
/// One connection takes one request at a time; names other than the three of the specification are left out.
///
/// # Errors
///
/// [`Malformed::Pairs`].
pub fn get_values_result(query: &[u8], max_connections: usize) -> Result<Vec<u8>, Malformed> {
    let limit = max_connections.to_string();
    let mut wanted = [
        ("FCGI_MAX_CONNS", &*limit, false),
        ("FCGI_MAX_REQS", &*limit, false),
        ("FCGI_MPXS_CONNS", "0", false),
    ];
    for pair in Pairs::new(query) {
        let (name, _) = pair?;
        for (known, _, asked) in &mut wanted {
            *asked |= known.as_bytes() == name;
        }
    }
    let mut result = vec![0; Header::LEN];
    for (name, value, asked) in wanted {
        if asked {
            put_pair(&mut result, name.as_bytes(), value.as_bytes());
        }
    }
    // Three short pairs at most.
    let header = Header::new(
        Kind::GET_VALUES_RESULT,
        0,
        (result.len() - Header::LEN) as u16,
    );
    if let Some(front) = result.first_chunk_mut() {
        *front = header.encode();
    }
    result.resize(result.len() + usize::from(header.padding_length), 0);
    Ok(result)
}

/// The name-value pairs of FCGI_PARAMS and FCGI_GET_VALUES: section 3.4.
///
/// Ends after the first pair that cannot be read.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// The pairs in a stream that is complete.
    #[must_use]
    pub const fn new(stream: &'a [u8]) -> Self {
        Self { rest: stream }
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn read(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        // Two short ones, as nearly all are, in one step.
        let (name, value) = match *self.rest {
            [name @ 0..=0x7F, value @ 0..=0x7F, ref rest @ ..] => {
                self.rest = rest;
                (usize::from(name), usize::from(value))
            }
            _ => (self.length()?, self.length()?),
        };
        let (name, rest) = self.rest.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(value)?;
        self.rest = rest;
        Some((name, value))
    }

    /// One byte up to 127, else four of which the first has its highest bit set.
    fn length(&mut self) -> Option<usize> {
        let (length, rest) = match *self.rest {
            [b3 @ 0x80..=0xFF, b2, b1, b0, ref rest @ ..] => {
                (u32::from_be_bytes([b3 & 0x7F, b2, b1, b0]), rest)
            }
            [b0 @ 0..=0x7F, ref rest @ ..] => (u32::from(b0), rest),
            _ => return None,
        };
        self.rest = rest;
        usize::try_from(length).ok()
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let pair = self.read();
        if pair.is_none() {
            self.rest = &[];
        }
        Some(pair.ok_or(Malformed::Pairs))
    }
}

/// Appends a name-value pair.
///
/// # Panics
///
/// If one of the two is longer than 2 GiB, the most that the format can say.
pub fn put_pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_length(out, name.len());
    put_length(out, value.len());
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short @ 0..=0x7F) => out.push(short),
        _ => {
            assert!(length < 1 << 31, "a name or value of {length} bytes");
            out.extend_from_slice(&(length as u32 | 1 << 31).to_be_bytes());
        }
    }
}
