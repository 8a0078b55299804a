//! One side of an SCGI connection without its socket.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use gateway_core::paths::Prefix;

use crate::cgi_vars::environ::{Head, Refused, Variables};
use crate::cgi_vars::sent::SentVars;
use crate::front_end::wire::codec::{Codec, Event};
use crate::front_end::wire::output::Output;

/// Bytes that are not SCGI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// What stands in front of the headers is not `LENGTH:`.
    Length,
    /// No comma stands behind the headers.
    Comma,
    /// The headers are not pairs of strings that end with a zero byte.
    Headers,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "headers without their length in front",
            Self::Comma => "headers without a comma behind",
            Self::Headers => "headers that are not pairs of strings",
        })
    }
}

impl Error for Malformed {}

/// What a connection needs to know of the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// Where the application stands, whatever SCRIPT_NAME says.
    pub(crate) mount: Option<Arc<Prefix>>,
    /// Bytes of headers; more is answered with 431.
    pub(crate) max_headers: usize,
}

#[derive(Debug)]
pub(crate) struct NetstringCodec {
    rules: Rules,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Head,
    /// So many bytes of input are still to come.
    Body {
        left: u64,
    },
    /// Whatever else comes is not ours.
    Done,
}

impl NetstringCodec {
    pub(crate) const fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: State::Head,
        }
    }
}

/// Reads the length in front of a netstring: its value, and how many bytes it takes with its colon.
///
/// `None` where the colon has not come yet.
fn length(input: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    // Nine digits are a gigabyte: whatever the limit is, it is below.
    let digits = input
        .iter()
        .take(10)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let Some(&end) = input.get(digits) else {
        return Ok(None);
    };
    let (number, _) = input.split_at_checked(digits).unwrap_or_default();
    // A netstring's length has no zero in front.
    if end != b':' || digits == 0 || digits > 9 || (number.starts_with(b"0") && digits > 1) {
        return Err(Malformed::Length);
    }
    let value = number
        .iter()
        .fold(0, |value, digit| value * 10 + usize::from(digit - b'0'));
    Ok(Some((value, digits + 1)))
}

/// Reads the headers of a request, without the netstring around them.
///
/// # Errors
///
/// Headers that are no pairs are the connection's error; those that make no request, the request's.
fn head(headers: &Bytes, mount: Option<&Prefix>) -> Result<Result<Head, Refused>, Malformed> {
    let mut variables = Variables::sharing(headers, HeaderMap::new());
    let mut refused = None;
    let mut rest = headers.as_ref();
    while !rest.is_empty() {
        let (name, value, after) = pair(rest).ok_or(Malformed::Headers)?;
        refused = refused.or(variables.set(name, value).err());
        rest = after;
    }
    Ok(match refused {
        Some(refused) => Err(refused),
        None => variables.into_head(mount),
    })
}

fn pair(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = until_zero(rest)?;
    let (value, rest) = until_zero(rest)?;
    Some((name, value, rest))
}

fn until_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    let (string, rest) = bytes.split_at_checked(at)?;
    Some((string, rest.get(1..)?))
}

impl Codec for NetstringCodec {
    type Malformed = Malformed;
    const ERRORS: bool = false;

    fn decode(&mut self, input: &mut BytesMut, _: &mut Output) -> Result<Option<Event>, Malformed> {
        match self.state {
            State::Head => {
                let Some((length, prefix)) = length(input)? else {
                    return Ok(None);
                };
                if length > self.rules.max_headers {
                    self.state = State::Done;
                    return Ok(Some(Event::Refused(
                        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    )));
                }
                match input.get(prefix + length) {
                    None => return Ok(None),
                    Some(b',') => {}
                    Some(_) => return Err(Malformed::Comma),
                }
                input.advance(prefix);
                let headers = input.split_to(length).freeze();
                input.advance(1);
                Ok(Some(match head(&headers, self.rules.mount.as_deref())? {
                    // The client's body has a length that the front end does not know, and the protocol has
                    // no other end: to take it for empty would be to process half a request.
                    Ok(head) if head.chunked && head.content_length.is_none() => {
                        self.state = State::Done;
                        Event::Refused(StatusCode::LENGTH_REQUIRED)
                    }
                    Ok(head) => {
                        // The protocol has CONTENT_LENGTH always there; without one, there is no input.
                        self.state = State::Body {
                            left: head.content_length.unwrap_or(0),
                        };
                        Event::Request(Box::new((head, SentVars::new(headers, pair))))
                    }
                    Err(refused) => {
                        self.state = State::Done;
                        Event::Refused(refused.status())
                    }
                }))
            }
            State::Body { left: 0 } => {
                self.state = State::Done;
                Ok(Some(Event::DataEnd))
            }
            State::Body { left } => {
                let available = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if available == 0 {
                    return Ok(None);
                }
                self.state = State::Body {
                    left: left - available as u64,
                };
                Ok(Some(Event::Data(input.split_to(available).freeze())))
            }
            State::Done => {
                input.clear();
                Ok(None)
            }
        }
    }

    /// There is no next request.
    fn recycle(&mut self, _: HeaderMap) {}

    fn within_head(&self) -> bool {
        matches!(self.state, State::Head)
    }

    fn stdout_with<T>(&mut self, output: &mut Output, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        output.put_with(write)
    }

    fn stdout(&mut self, output: &mut Output, bytes: Bytes) {
        output.put_bytes(bytes);
    }

    fn stderr(&mut self, _: &mut Output, _: &[u8]) {}

    fn seal(&mut self, _: &mut Output) {}

    fn finish(&mut self, _: &mut Output) -> bool {
        self.state = State::Done;
        false
    }
}
