//! What a protocol in front of [`Connection`](super::connection::Connection) must tell it.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::output::Output;
use crate::cgi_vars::environ::Head;
use crate::cgi_vars::sent::SentVars;

/// What came in from the front end.
#[cfg_attr(
    not(feature = "fastcgi"),
    expect(dead_code, reason = "SCGI has nothing to abort and nothing to keep")
)]
pub(crate) enum Event {
    /// A request began. Its input follows as [`Data`](Self::Data).
    ///
    /// Boxed: events are handed up through several results, one for each record, and to move four
    /// hundred bytes each time costs ten times the allocation.
    Request(Box<(Head, SentVars)>),
    /// A request began that is answered by a bare status; its input follows all the same.
    Refused(StatusCode),
    /// A piece of the running request's input; never empty.
    Data(Bytes),
    /// The end of the running request's input.
    DataEnd,
    /// The running request is no longer wanted.
    Abort,
    /// The front end wants the connection closed once everything is written.
    Close,
}

/// A protocol that carries one request at a time over a connection, without any IO of its own.
pub(crate) trait Codec {
    type Malformed: fmt::Display;

    /// Whether the protocol has a stream for error text.
    const ERRORS: bool;

    /// Takes the next event off the front of `input`; `None` where more bytes are needed.
    ///
    /// What the protocol itself must answer goes to `output`, between records.
    fn decode(
        &mut self,
        input: &mut BytesMut,
        output: &mut Output,
    ) -> Result<Option<Event>, Self::Malformed>;

    /// Takes a map that was used, empty, to be used for the next request's headers.
    fn recycle(&mut self, headers: HeaderMap);

    /// Whether bytes of a request were read whose head is not complete.
    fn within_head(&self) -> bool;

    /// Appends to the response by `write`, which only appends.
    fn stdout_with<T>(&mut self, output: &mut Output, write: impl FnOnce(&mut Vec<u8>) -> T) -> T;

    /// Appends a piece of the response.
    fn stdout(&mut self, output: &mut Output, bytes: Bytes);

    /// Appends to the errors stream; without effect where the protocol has none.
    fn stderr(&mut self, output: &mut Output, bytes: &[u8]);

    /// Makes `output` fit to be written: no record is left open.
    fn seal(&mut self, output: &mut Output);

    /// Ends the running request and says whether the connection goes on.
    fn finish(&mut self, output: &mut Output) -> bool;
}
