//! A path that was not found: first which client asks for it, then the answer.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_core::developer::{Facts, OwnerLookUp, Reason, judge};
use gateway_core::request::accept::Accept;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::gate::Access;
use super::page::Page;
use crate::service::resolve::Shared;

/// A path that was not found, and who asks for it. To answer may block, where the system has to say who owns the client's end
/// of the connection.
pub(crate) struct Question {
    shared: Arc<Shared>,
    method: Method,
    path: String,
    wants_html: bool,
    asked: Asked,
}

enum Asked {
    Shown,
    /// The peer is unknown, and nothing else is missing.
    NoPeer,
    ButForTheOwner(Facts),
}

/// `None` for a client that may not see the routes: it gets a bare 404.
pub(crate) fn question(shared: &Arc<Shared>, parts: &Parts, path: &str) -> Option<Question> {
    let asked = match shared.settings.development.access(parts) {
        Access::Shown => Asked::Shown,
        Access::Withheld => return None,
        Access::By(facts) => match judge(&facts) {
            Ok(()) => Asked::Shown,
            Err(Reason::Unasked) => Asked::ButForTheOwner(facts),
            Err(Reason::NoPeer) if is_all_that_is_missing(facts) => Asked::NoPeer,
            Err(_) => return None,
        },
    };
    Some(Question {
        shared: Arc::clone(shared),
        method: parts.method.clone(),
        path: path.to_owned(),
        wants_html: wants_html(&parts.headers),
        asked,
    })
}

/// Whether the developer would be shown routes if the peer were this machine.
fn is_all_that_is_missing(facts: Facts) -> bool {
    judge(&facts.with_peer(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)))) == Err(Reason::Unasked)
}

impl Question {
    /// Blocks.
    pub(crate) fn answer(&self) -> Response<Bytes> {
        self.answer_by(match &self.asked {
            Asked::Shown => Ok(()),
            Asked::NoPeer => Err(Reason::NoPeer),
            Asked::ButForTheOwner(facts) => judge(&facts.clone().look_up()),
        })
    }

    /// Blocks no thread.
    pub(crate) fn answer_later(self) -> PendingAnswer {
        let look_up = match &self.asked {
            Asked::Shown | Asked::NoPeer => None,
            Asked::ButForTheOwner(facts) => Some(OwnerLookUp::start(facts.clone())),
        };
        PendingAnswer {
            question: self,
            look_up,
        }
    }

    fn answer_by(&self, verdict: Result<(), Reason>) -> Response<Bytes> {
        match verdict {
            Ok(()) => self.page(),
            Err(reason) => withheld(&reason),
        }
    }

    fn page(&self) -> Response<Bytes> {
        let page = Page::new(&self.shared, &self.method, &self.path);
        let (text, kind) = if self.wants_html {
            (page.html(), HTML)
        } else {
            (page.text(), TEXT)
        };
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        let fields = [(VARY, "accept"), (CONTENT_SECURITY_POLICY, policy)];
        response(text, kind, &fields)
    }
}

/// An answer that may wait for the owner of the client's end of the connection.
pub(crate) struct PendingAnswer {
    question: Question,
    look_up: Option<OwnerLookUp>,
}

impl Future for PendingAnswer {
    type Output = Response<Bytes>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Bytes>> {
        let Some(look_up) = &mut self.look_up else {
            return Poll::Ready(self.question.answer());
        };
        let verdict = ready!(Pin::new(look_up).poll(context));
        Poll::Ready(self.question.answer_by(verdict))
    }
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

fn withheld(reason: &Reason) -> Response<Bytes> {
    let text = format!("Not Found\n\nThe routes are not listed: {reason}\n");
    response(text, TEXT, &[])
}

fn response(
    text: String,
    kind: &'static str,
    fields: &[(HeaderName, &'static str)],
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A browser says that it takes HTML; curl does not.
fn wants_html(headers: &HeaderMap) -> bool {
    let best = Accept::of(headers).best(&["text/plain", "text/html"]);
    best == Some("text/html")
}
