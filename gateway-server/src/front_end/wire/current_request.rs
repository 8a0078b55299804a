//! The request that is running on a connection, and what of its input has come.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_core::{Body, BoxError};
use http::{Method, StatusCode};

use super::input::{self, Feeder, Incoming};
use crate::cgi_vars::environ::Head;
use crate::cgi_vars::sent::SentVars;
use crate::log::access::Record;
use crate::state::CountedRequest;

/// The request that is running. Of one that was refused nothing is known, its method neither.
#[derive(Default)]
pub(super) struct CurrentRequest {
    pub(super) method: Method,
    /// Not begun yet: what of its body is in the buffer already is looked at first.
    head: Option<Box<(Head, SentVars)>>,
    /// The first piece of the body, as long as it may be the only one.
    first: Option<Bytes>,
    incoming: Option<Incoming>,
    feeder: Option<Feeder>,
    received: u64,
    expected: Option<u64>,
    /// Whether the protocol has said that no more input will come.
    pub(super) input_ended: bool,
    // Only where the access log has a subscriber.
    pub(super) record: Option<Box<Record>>,
    // Only where the program counts.
    pub(super) counted: Option<CountedRequest>,
}

impl CurrentRequest {
    pub(super) fn new(request: Box<(Head, SentVars)>) -> Self {
        Self {
            method: request.0.method.clone(),
            expected: request.0.content_length,
            head: Some(request),
            ..Self::default()
        }
    }

    /// A request that is over, on a connection that goes on with being closed.
    pub(super) fn over(input_ended: bool) -> Self {
        Self {
            input_ended,
            ..Self::default()
        }
    }

    /// Whether there is a request that the service has not heard of.
    pub(super) fn is_new(&self) -> bool {
        self.head.is_some()
    }

    /// What the service is to hear of a request that is new.
    pub(super) fn take_head(&mut self) -> Option<Box<(Head, SentVars)>> {
        self.head.take()
    }

    /// Whether more of the body should be read; if not, the task is woken when it should.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.feeder
            .as_ref()
            .map_or(Poll::Ready(()), |feeder| feeder.poll_room(cx))
    }

    /// Whether the body goes to its reader piece by piece.
    pub(super) fn is_fed(&self) -> bool {
        self.feeder.is_some()
    }

    /// Whether the service waits for more of the body.
    pub(super) fn is_wanted(&self) -> bool {
        self.feeder.as_ref().is_some_and(Feeder::is_wanted)
    }

    /// Takes a piece of the body; `limit` is for a body of undeclared length.
    pub(super) fn take_data(&mut self, mut bytes: Bytes, limit: Option<u64>) {
        if let Some(expected) = self.expected {
            // RFC 3875 4.2: what goes beyond CONTENT_LENGTH is not the request's.
            let room = expected.saturating_sub(self.received);
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        } else if let Some(limit) = limit
            && self.received + bytes.len() as u64 > limit
        {
            self.open();
            self.end_input(Some(too_large(limit)));
            return;
        }
        if !bytes.is_empty() {
            self.push(bytes);
        }
        if self.is_complete() {
            // No need to wait for the protocol to say so too.
            self.end_input(None);
        }
    }

    /// Takes the end of the body, as the protocol tells it.
    pub(super) fn take_end(&mut self) {
        self.input_ended = true;
        self.end_input(None);
    }

    fn is_complete(&self) -> bool {
        match self.expected {
            Some(expected) => self.received == expected,
            None => self.input_ended,
        }
    }

    /// A channel for the body, with what has come of it.
    fn open(&mut self) -> &Feeder {
        self.feeder.get_or_insert_with(|| {
            let (feeder, incoming) = input::channel(self.expected);
            if let Some(first) = self.first.take() {
                feeder.push(first);
            }
            self.incoming = Some(incoming);
            feeder
        })
    }

    fn push(&mut self, bytes: Bytes) {
        self.received += bytes.len() as u64;
        if self.head.is_none() {
            // Without a feeder the body has no reader any more.
            if let Some(feeder) = &self.feeder {
                feeder.push(bytes);
            }
        } else if self.first.is_none() && self.incoming.is_none() {
            self.first = Some(bytes);
        } else {
            self.open().push(bytes);
        }
    }

    /// Nothing more will come.
    pub(super) fn end_input(&mut self, error: Option<BoxError>) {
        if let Some(feeder) = self.feeder.take() {
            let short = || io::Error::from(io::ErrorKind::UnexpectedEof).into();
            feeder.end(if self.is_complete() {
                Ok(())
            } else {
                Err(error.unwrap_or_else(short))
            });
        }
    }

    /// The body, as far as it is known.
    pub(super) fn body(&mut self, eof: bool) -> Body {
        if self.is_complete() && self.incoming.is_none() {
            return self.first.take().map_or_else(Body::empty, Body::from);
        }
        if self.incoming.is_none() {
            self.open();
        }
        if self.is_complete() || self.input_ended || eof {
            self.end_input(None);
        }
        self.incoming.take().map_or_else(Body::empty, Body::new)
    }
}

fn too_large(limit: u64) -> BoxError {
    let text = format!("the body is longer than {limit} bytes");
    gateway_core::Error::new(StatusCode::PAYLOAD_TOO_LARGE, text).into()
}
