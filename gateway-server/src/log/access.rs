//! The access log: one `tracing` event a request.

use std::time::Instant;

use gateway_core::request::ConnInfo;
use gateway_core::secrets::{Kind, without_secrets};
use http::{Method, StatusCode, Uri};
use tracing::{Level, enabled, event};

/// The target of the events, for filters: `gateway_server::access=info`.
pub(crate) const TARGET: &str = "gateway_server::access";

/// What is known of a request until its event is sent: when its response is dropped, complete or
/// not, or when it is dropped unanswered.
#[derive(Debug)]
pub(crate) struct Record {
    method: Method,
    uri: Uri,
    conn: ConnInfo,
    began: Instant,
    status: Option<StatusCode>,
    bytes: u64,
    complete: bool,
}

impl Record {
    /// `None`, at no cost, where the access log has no subscriber.
    pub(crate) fn begin(method: &Method, uri: &Uri, conn: &ConnInfo) -> Option<Box<Self>> {
        enabled!(target: TARGET, Level::INFO).then(|| {
            Box::new(Self {
                method: method.clone(),
                uri: uri.clone(),
                conn: conn.clone(),
                began: Instant::now(),
                status: None,
                bytes: 0,
                complete: false,
            })
        })
    }

    pub(crate) fn answered(mut self: Box<Self>, status: StatusCode, has_body: bool) -> Box<Self> {
        self.status = Some(status);
        self.complete = !has_body;
        self
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(crate) fn completed(&mut self) {
        self.complete = true;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        event!(
            target: TARGET,
            Level::INFO,
            method = %self.method,
            // Still encoded, so that it cannot break a line.
            path = &*without_secrets(self.uri.path(), Kind::Text, false),
            status = self.status.map(|status| status.as_u16()),
            bytes = self.bytes,
            // In seconds.
            duration = self.began.elapsed().as_secs_f64(),
            peer = %self.conn.peer(),
            complete = self.complete,
            "request",
        );
    }
}
