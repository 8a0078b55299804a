//! One side of a FastCGI connection without its socket: records in, events out, and back.

use std::mem;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::record::{
    BeginRequest, Header, Kind, Malformed, Pairs, ProtocolStatus, Role, end_request,
    get_values_result, unknown_type,
};
use gateway_core::paths::Prefix;

use crate::cgi_vars::environ::{Head, Refused, Variables};
use crate::cgi_vars::sent::{SentVars, is_unknown_length};
use crate::front_end::wire::codec::{Codec, Event};
use crate::front_end::wire::output::Output;

/// The most that one record of ours carries: the largest multiple of eight, so that no full
/// record needs padding.
const MAX_CONTENT: usize = 0xFFF8;

/// Input that may come in front of the end of PARAMS: the two are streams of their own.
const MAX_EARLY: usize = 64 * 1024;

/// What a connection needs to know of the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// Where the application stands, whatever SCRIPT_NAME says.
    pub(crate) mount: Option<Arc<Prefix>>,
    /// Bytes of PARAMS; more is answered with 431.
    pub(crate) max_params: usize,
    /// The answer to FCGI_MAX_CONNS.
    pub(crate) max_connections: usize,
}

#[derive(Debug)]
pub(crate) struct RecordCodec {
    rules: Rules,
    reading: Reading,
    request: Request,
    /// Where the header of the STDOUT record that is being filled stands, and how much it holds.
    open: Option<(usize, usize)>,
    stderr_used: bool,
    params: BytesMut,
    early: BytesMut,
    // Of the response before: the map of the next request's.
    headers: HeaderMap,
}

#[derive(Debug, Clone, Copy)]
enum Reading {
    Header,
    /// So much of the content is still to come; entered once for a record without content, too.
    Content {
        header: Header,
        left: usize,
    },
    Padding {
        left: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum Request {
    None,
    /// PARAMS are coming in; `overlong` when there were more than may be kept.
    Params {
        id: u16,
        keep: bool,
        overlong: bool,
        input_ended: bool,
    },
    Running {
        id: u16,
        keep: bool,
        input: Input,
    },
}

/// How far the input of the running request has been told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// Its end came before the end of PARAMS.
    EndedEarly,
    Ended,
}

impl RecordCodec {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            reading: Reading::Header,
            request: Request::None,
            open: None,
            stderr_used: false,
            params: BytesMut::new(),
            early: BytesMut::new(),
            headers: HeaderMap::new(),
        }
    }

    fn active(&self) -> Option<u16> {
        match self.request {
            Request::None => None,
            Request::Params { id, .. } | Request::Running { id, .. } => Some(id),
        }
    }

    /// Takes what `input` holds of the content of a record; `None` where that is nothing of use.
    ///
    /// Returns what is left of the content, and what it meant.
    fn content(
        &mut self,
        header: Header,
        left: usize,
        input: &mut BytesMut,
        output: &mut Output,
    ) -> Result<Option<(usize, Option<Event>)>, Malformed> {
        match (header.kind, header.id) {
            (Kind::BEGIN_REQUEST, 1..) if header.content_length != 8 => {
                return Err(Malformed::BeginRequest);
            }
            // Of use only as a whole; 64 KiB at most.
            (Kind::BEGIN_REQUEST, 1..) | (Kind::GET_VALUES, 0) => {
                if input.len() < left {
                    return Ok(None);
                }
                let body = input.split_to(left);
                return Ok(Some((0, self.short_record(header, &body, output)?)));
            }
            _ => {}
        }
        let available = input.len().min(left);
        if available == 0 && left > 0 {
            return Ok(None);
        }
        let left = left - available;
        let event = match header.kind {
            Kind::PARAMS | Kind::STDIN if self.active() == Some(header.id) => {
                if header.content_length == 0 {
                    self.stream_end(header.kind)?
                } else {
                    self.stream_piece(header.kind, input, available)?
                }
            }
            // Foreign ids, unknown types, streams of other roles: section 3.3 has them ignored.
            kind => {
                input.advance(available);
                match (kind, header.id) {
                    _ if left > 0 => None,
                    (kind, 0) => {
                        output.put(&unknown_type(kind));
                        None
                    }
                    (Kind::ABORT_REQUEST, id) if self.active() == Some(id) => {
                        self.abort(id, output)
                    }
                    _ => None,
                }
            }
        };
        Ok(Some((left, event)))
    }

    fn abort(&mut self, id: u16, output: &mut Output) -> Option<Event> {
        let Request::Params { keep, .. } = self.request else {
            return Some(Event::Abort);
        };
        // The application has not heard of it.
        self.request = Request::None;
        output.put(&end_request(id, 0, ProtocolStatus::REQUEST_COMPLETE));
        (!keep).then_some(Event::Close)
    }

    fn short_record(
        &mut self,
        header: Header,
        body: &[u8],
        output: &mut Output,
    ) -> Result<Option<Event>, Malformed> {
        if header.kind == Kind::GET_VALUES {
            output.put(&get_values_result(body, self.rules.max_connections)?);
            return Ok(None);
        }
        let body = *body.first_chunk().ok_or(Malformed::BeginRequest)?;
        let begin = BeginRequest::parse(body);
        match self.active() {
            // To end it would end the one that runs; to go on would mix the two.
            Some(id) if id == header.id => Err(Malformed::ReusedId(id)),
            Some(_) => {
                output.put(&end_request(header.id, 0, ProtocolStatus::CANT_MPX_CONN));
                Ok(None)
            }
            None if begin.role != Role::RESPONDER => {
                output.put(&end_request(header.id, 0, ProtocolStatus::UNKNOWN_ROLE));
                Ok((!begin.keep_connection).then_some(Event::Close))
            }
            None => {
                self.params.clear();
                self.early.clear();
                self.request = Request::Params {
                    id: header.id,
                    keep: begin.keep_connection,
                    overlong: false,
                    input_ended: false,
                };
                Ok(None)
            }
        }
    }

    fn stream_piece(
        &mut self,
        kind: Kind,
        input: &mut BytesMut,
        available: usize,
    ) -> Result<Option<Event>, Malformed> {
        match (kind, &mut self.request) {
            (Kind::PARAMS, Request::Params { overlong, .. }) => {
                if self.params.len() + available > self.rules.max_params {
                    *overlong = true;
                }
                if !*overlong {
                    self.params
                        .extend_from_slice(input.get(..available).unwrap_or_default());
                }
                input.advance(available);
                Ok(None)
            }
            (
                Kind::STDIN,
                Request::Params {
                    input_ended: false, ..
                },
            ) => {
                if self.early.len() + available > MAX_EARLY {
                    return Err(Malformed::EarlyInput);
                }
                self.early
                    .extend_from_slice(input.get(..available).unwrap_or_default());
                input.advance(available);
                Ok(None)
            }
            (
                Kind::STDIN,
                Request::Running {
                    input: Input::Open, ..
                },
            ) => Ok(Some(Event::Data(input.split_to(available).freeze()))),
            // After the end of the stream it belongs to.
            _ => {
                input.advance(available);
                Ok(None)
            }
        }
    }

    fn stream_end(&mut self, kind: Kind) -> Result<Option<Event>, Malformed> {
        match (kind, &mut self.request) {
            (
                Kind::PARAMS,
                &mut Request::Params {
                    id,
                    keep,
                    overlong,
                    input_ended,
                },
            ) => {
                let input = if input_ended {
                    Input::EndedEarly
                } else {
                    Input::Open
                };
                self.request = Request::Running { id, keep, input };
                if overlong {
                    return Ok(Some(Event::Refused(
                        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    )));
                }
                let params = self.params.split().freeze();
                let mount = self.rules.mount.as_deref();
                Ok(Some(
                    match head(&params, mem::take(&mut self.headers), mount)? {
                        Ok(head) => {
                            Event::Request(Box::new((head, SentVars::new(params, first_pair))))
                        }
                        Err(refused) => Event::Refused(refused.status()),
                    },
                ))
            }
            (Kind::STDIN, Request::Params { input_ended, .. }) => {
                *input_ended = true;
                Ok(None)
            }
            (
                Kind::STDIN,
                Request::Running {
                    input: input @ Input::Open,
                    ..
                },
            ) => {
                *input = Input::Ended;
                Ok(Some(Event::DataEnd))
            }
            _ => Ok(None),
        }
    }

    /// The content that the open STDOUT record already holds; opens one if none is.
    fn stdout_length(&mut self, output: &mut Output) -> &mut usize {
        let (_, length) = self.open.get_or_insert_with(|| {
            let position = output.position();
            output.put(&[0; Header::LEN]);
            (position, 0)
        });
        length
    }

    /// The empty record that ends a stream.
    fn end_stream(output: &mut Output, kind: Kind, id: u16) {
        output.put(&Header::new(kind, id, 0).encode());
    }
}

/// Reads a complete PARAMS stream.
///
/// # Errors
///
/// Pairs that point beyond the stream are the connection's error; variables that make no request, the request's.
fn head(
    params: &Bytes,
    headers: HeaderMap,
    mount: Option<&Prefix>,
) -> Result<Result<Head, Refused>, Malformed> {
    let mut variables = Variables::sharing(params, headers);
    let mut refused = None;
    for pair in Pairs::new(params) {
        let (name, mut value) = pair?;
        if is_unknown_length(name, value) {
            // Without one, the body goes to the end of FCGI_STDIN.
            value = b"";
        }
        // Read to the end all the same: what is malformed closes the connection.
        refused = refused.or(variables.set(name, value).err());
    }
    Ok(match refused {
        Some(refused) => Err(refused),
        None => variables.into_head(mount),
    })
}

fn first_pair(stream: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut pairs = Pairs::new(stream);
    let (name, value) = pairs.next()?.ok()?;
    Some((name, value, pairs.rest()))
}

impl Codec for RecordCodec {
    type Malformed = Malformed;
    const ERRORS: bool = true;

    fn decode(
        &mut self,
        input: &mut BytesMut,
        output: &mut Output,
    ) -> Result<Option<Event>, Malformed> {
        // What came before the end of PARAMS is the first of the input.
        if let Request::Running { input: early, .. } = &mut self.request {
            if !self.early.is_empty() {
                return Ok(Some(Event::Data(self.early.split().freeze())));
            }
            if *early == Input::EndedEarly {
                *early = Input::Ended;
                return Ok(Some(Event::DataEnd));
            }
        }
        loop {
            match self.reading {
                Reading::Header => {
                    let Some(bytes) = input.first_chunk() else {
                        return Ok(None);
                    };
                    let header = Header::parse(*bytes)?;
                    input.advance(Header::LEN);
                    self.reading = Reading::Content {
                        header,
                        left: usize::from(header.content_length),
                    };
                }
                Reading::Content { header, left } => {
                    let Some((left, event)) = self.content(header, left, input, output)? else {
                        return Ok(None);
                    };
                    self.reading = match left {
                        0 => Reading::Padding {
                            left: usize::from(header.padding_length),
                        },
                        left => Reading::Content { header, left },
                    };
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                Reading::Padding { left: 0 } => self.reading = Reading::Header,
                Reading::Padding { left } => {
                    let available = input.len().min(left);
                    if available == 0 {
                        return Ok(None);
                    }
                    input.advance(available);
                    self.reading = Reading::Padding {
                        left: left - available,
                    };
                }
            }
        }
    }

    fn recycle(&mut self, headers: HeaderMap) {
        self.headers = headers;
    }

    fn within_head(&self) -> bool {
        matches!(self.request, Request::Params { .. }) || !matches!(self.reading, Reading::Header)
    }

    fn stdout_with<T>(&mut self, output: &mut Output, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        // A head of more than one record's worth is rare: it is moved then.
        let before = *self.stdout_length(output);
        let start = output.position();
        let result = output.put_with(write);
        let added = output.position() - start;
        if before + added <= MAX_CONTENT {
            *self.stdout_length(output) += added;
        } else {
            let head = Bytes::copy_from_slice(output.patch(start));
            output.rewind(start);
            self.stdout(output, head);
        }
        result
    }

    fn stdout(&mut self, output: &mut Output, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let length = self.stdout_length(output);
            let piece = bytes.split_to(bytes.len().min(MAX_CONTENT - *length));
            *length += piece.len();
            let full = *length == MAX_CONTENT;
            output.put_bytes(piece);
            if full {
                self.seal(output);
            }
        }
    }

    fn stderr(&mut self, output: &mut Output, bytes: &[u8]) {
        let Some(id) = self.active() else { return };
        self.seal(output);
        self.stderr_used = true;
        for piece in bytes.chunks(MAX_CONTENT) {
            let header = Header::new(Kind::STDERR, id, piece.len() as u16);
            output.put(&header.encode());
            output.put(piece);
            output.put(
                [0; 8]
                    .get(..usize::from(header.padding_length))
                    .unwrap_or_default(),
            );
        }
    }

    fn seal(&mut self, output: &mut Output) {
        let (Some((position, length)), Some(id)) = (self.open.take(), self.active()) else {
            return;
        };
        let header = Header::new(Kind::STDOUT, id, length as u16);
        if let Some(front) = output.patch(position).first_chunk_mut() {
            *front = header.encode();
        }
        output.put(
            [0; 8]
                .get(..usize::from(header.padding_length))
                .unwrap_or_default(),
        );
    }

    fn finish(&mut self, output: &mut Output) -> bool {
        self.seal(output);
        let (Request::Params { id, keep, .. } | Request::Running { id, keep, .. }) = self.request
        else {
            return true;
        };
        // Section 5.3: a stream that was not used may be left out, one that was is ended.
        Self::end_stream(output, Kind::STDOUT, id);
        if mem::take(&mut self.stderr_used) {
            Self::end_stream(output, Kind::STDERR, id);
        }
        output.put(&end_request(id, 0, ProtocolStatus::REQUEST_COMPLETE));
        self.request = Request::None;
        keep
    }
}
