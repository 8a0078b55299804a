//! One request and its answer: what happens around the service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use gateway_core::error::status_of;
use gateway_core::request::{Arrival, ConnInfo};
use gateway_core::{Body, BoxError};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::{error, warn};

use super::activity::Event;
use super::check;
use super::guard::ResponseGuard;
use super::request_body::{EndBy, RequestBody, Upload};
use super::response_body::ResponseBody;
use super::shared_activity::SharedActivity;
use crate::HttpService;
use crate::failure::{discard, guard};
use crate::framing::{self, Asked, Content, Framing, Unsendable};
use crate::log::access::Record;
use crate::log::operator;
use crate::settings::Settings;

/// An empty [`Arrival`], with room beside it for what routers add. A map that is copied comes as large
/// as it is; one that starts with ours has to grow under the third entry after it, which costs as much
/// as all the checks of a request.
static ROOMY: LazyLock<Extensions> = LazyLock::new(|| {
    let mut extensions = Extensions::new();
    extensions.insert(Arrival::default());
    let (first, second, third) = ((), ((),), (((),),));
    extensions.insert(first);
    extensions.insert(second);
    extensions.insert(third);
    extensions.remove::<()>();
    extensions.remove::<((),)>();
    extensions.remove::<(((),),)>();
    extensions
});

/// A connection's service, as hyper calls it.
pub(crate) struct ConnectionService<S> {
    service: S,
    conn: ConnInfo,
    activity: Arc<SharedActivity>,
    settings: Arc<Settings>,
}

impl<S> ConnectionService<S> {
    pub(crate) fn new(
        service: S,
        conn: ConnInfo,
        activity: Arc<SharedActivity>,
        settings: Arc<Settings>,
    ) -> Self {
        Self {
            service,
            conn,
            activity,
            settings,
        }
    }

    /// The status to refuse the request with before the service is called.
    fn refusal(&self, request: &Request<Incoming>) -> Option<StatusCode> {
        if let Some(status) = check::refusal(request, self.settings.head_fields) {
            return Some(status);
        }
        let most = self.settings.body_bytes?;
        match request.body().size_hint().exact() {
            Some(length) if length > most => Some(StatusCode::PAYLOAD_TOO_LARGE),
            Some(_) | None => None,
        }
    }

    // The request is never taken apart on its way through here: its head is 200 bytes and more,
    // and each move of it shows in the measurements.
    fn start(&self, mut request: Request<Incoming>) -> ResponseFuture<S>
    where
        S: HttpService,
    {
        let refusal = self.refusal(&request);
        let has_body = !request.body().is_end_stream();
        self.activity.request_began(has_body && refusal.is_none());
        let mut pending = PendingRequest {
            record: Record::begin(request.method(), request.uri(), &self.conn),
            version: request.version(),
            asked: Asked::from(request.method()),
            // hyper's mark that it will hand the connection over.
            switches: request.extensions().get::<OnUpgrade>().is_some()
                && request.method() != Method::CONNECT,
            upload: None,
            guard: ResponseGuard::new(Arc::clone(&self.activity), self.settings.state.as_ref()),
        };
        if let Some(status) = refusal {
            if has_body {
                self.activity.upload_refused();
            }
            return ResponseFuture {
                state: State::Refused { status },
                pending: Some(pending),
            };
        }
        obey_target(&mut request);
        let mut arrival = Arrival::over(self.conn.clone()).with_client_path(request.uri());
        if self.settings.timeouts.write.is_some() {
            arrival = arrival.watched();
        }
        let extensions = request.extensions_mut();
        extensions.extend(ROOMY.clone());
        match extensions.get_mut::<Arrival>() {
            Some(empty) => *empty = arrival,
            None => drop(extensions.insert(arrival)),
        }
        let upload = &mut pending.upload;
        let waits = !request.body().is_end_stream() && request.headers().contains_key(EXPECT);
        let watched = |incoming: Incoming| {
            // Mostly there is no body, and then nothing is allocated for it.
            if incoming.is_end_stream() {
                return Body::empty();
            }
            let end_by = match incoming.size_hint().exact() {
                _ if is_two(pending.version) => EndBy::Stream,
                Some(_) if waits => EndBy::Withheld,
                Some(_) => EndBy::Length,
                None => EndBy::Chunked,
            };
            let begun = Upload::new(Arc::clone(&self.activity), end_by);
            let timeout = self.settings.timeouts.body;
            let most = self.settings.body_bytes;
            let body = RequestBody::new(incoming, Arc::clone(&begun), most, timeout);
            *upload = Some(begun);
            // Boxed: one type serves the requests of all our servers, and it knows no hyper.
            Body::new(body)
        };
        ResponseFuture {
            state: State::Asking {
                // A clone a request: several are asked at a time over HTTP/2, and the instance that
                // was polled ready has to be the one that is called.
                service: self.service.clone(),
                request: Some(request.map(watched)),
            },
            pending: Some(pending),
        }
    }
}

/// RFC 9112 section 3.2.2: where the target names the host, Host counts for nothing. Services read
/// Host, so it is made to agree.
fn obey_target(request: &mut Request<Incoming>) {
    if request.version() < Version::HTTP_2
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
}

fn is_two(version: Version) -> bool {
    version == Version::HTTP_2
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for ConnectionService<S> {
    type Response = Response<ResponseBody<S::ResponseBody>>;
    type Error = Infallible;
    type Future = ResponseFuture<S>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.start(request)
    }
}

/// What is kept of a request until its answer was sent.
struct PendingRequest {
    // Only where the access log is read.
    record: Option<Box<Record>>,
    version: Version,
    asked: Asked,
    switches: bool,
    upload: Option<Arc<Upload>>,
    guard: ResponseGuard,
}

pin_project! {
    /// The answer to one request. Never an error: what the service cannot answer is a bare 500.
    pub(crate) struct ResponseFuture<S: HttpService> {
        #[pin]
        state: State<S>,
        pending: Option<PendingRequest>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: HttpService> {
        Refused { status: StatusCode },
        // The service is not asked before the first poll: what it returns is then moved only once.
        Asking { service: S, request: Option<Request<Body>> },
        Running { #[pin] future: S::Future },
    }
}

impl<S: HttpService> State<S> {
    /// Whether the service was asked whether it is ready, and not called yet.
    fn is_asking(&self) -> bool {
        matches!(self, Self::Asking { .. })
    }

    fn poll_answer(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<S>> {
        loop {
            match self.as_mut().project() {
                StateProj::Refused { status } => return Poll::Ready(Err(Refusal::Here(*status))),
                StateProj::Running { future } => return future.poll(cx).map_err(Refusal::Service),
                StateProj::Asking { service, request } => {
                    ready!(service.poll_ready(cx)).map_err(Refusal::Service)?;
                    let Some(request) = request.take() else {
                        return Poll::Pending; // polled again after a panic
                    };
                    let future = service.call(request);
                    self.set(Self::Running { future });
                }
            }
        }
    }
}

type Answer<S> = Result<
    Response<<S as HttpService>::ResponseBody>,
    Refusal<<S as Service<Request<Body>>>::Error>,
>;

/// Why the service gave no answer.
enum Refusal<E> {
    /// The service was not called.
    Here(StatusCode),
    Service(E),
}

impl<S: HttpService> Future for ResponseFuture<S> {
    type Output = Result<Response<ResponseBody<S::ResponseBody>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(upload) = this.pending.as_ref().and_then(|it| it.upload.as_deref()) {
            upload.polled_by_connection(cx);
        }
        // A service may panic before it returns a future, too. The state of one that did is not
        // looked at again.
        let mut state = this.state;
        let polled = guard(|| state.as_mut().poll_answer(cx));
        if let Some(pending) = this.pending
            && let Some(counted) = &mut pending.guard.counted
        {
            counted.waits(matches!(polled, Ok(Poll::Pending)) && state.is_asking());
        }
        let (response, refused) = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => (Ok(response), false),
            Ok(Poll::Ready(Err(Refusal::Here(status)))) => (Err(status), true),
            Ok(Poll::Ready(Err(Refusal::Service(error)))) => (Err(failed(&error.into())), false),
            Err(panicked) => {
                panicked.log();
                (Err(StatusCode::INTERNAL_SERVER_ERROR), false)
            }
        };
        let Some(pending) = this.pending.take() else {
            return Poll::Pending; // polled again after it was ready
        };
        // What became of the body explains the answer better than what the service made of it.
        let upload = pending.upload.as_deref();
        let body_failure = upload.and_then(Upload::failure);
        let closing = refused
            || pending.guard.activity.is_draining()
            || upload.is_some_and(Upload::ends_connection);
        let response = match body_failure {
            Some(status) => Err(status),
            None => response,
        };
        Poll::Ready(Ok(finish(response, closing, pending)))
    }
}

/// Puts on the answer what the connection has to say.
fn finish<B: http_body::Body>(
    response: Result<Response<B>, StatusCode>,
    closing: bool,
    pending: PendingRequest,
) -> Response<ResponseBody<B>> {
    let judged = response.and_then(|response| match pending.judge(&response) {
        Ok(framing) => Ok((response.map(Some), framing)),
        Err(unsendable) => {
            let status = response.status().as_u16();
            error!(status, "a response that cannot be sent: {unsendable}");
            operator::told(&format_args!(
                "a response that cannot be sent: {unsendable}"
            ));
            discard(response);
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    });
    let (mut response, framing) = match judged {
        Ok(judged) => judged,
        Err(status) => {
            let mut response = Response::new(None);
            *response.status_mut() = status;
            (response, Framing::of_bare(pending.asked, status))
        }
    };
    let is_two = is_two(pending.version);
    if !is_two {
        // hyper writes what an application says here, such as a proxy the version of its backend.
        *response.version_mut() = Version::HTTP_11;
    }
    obey(response.headers_mut(), framing);
    let status = response.status();
    let upgrades = status == StatusCode::SWITCHING_PROTOCOLS
        || (pending.asked == Asked::Connect && status.is_success());
    // Over HTTP/2, GOAWAY says that a connection closes, and the stream's own task that it is a tunnel.
    if !is_two {
        pending.guard.activity.answer_began();
        if upgrades {
            pending.guard.activity.on(Event::Upgraded);
        } else if closing {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
    let record = pending.record.map(|record| {
        let body = response.body().as_ref();
        let has_body =
            framing.content != Content::Nothing && body.is_some_and(|body| !body.is_end_stream());
        record.answered(status, has_body)
    });
    response.map(|body| ResponseBody::new(body, framing, pending.version, record, pending.guard))
}

impl PendingRequest {
    fn judge<B: http_body::Body>(&self, response: &Response<B>) -> Result<Framing, Unsendable> {
        let body = response.body();
        let exact = if body.is_end_stream() {
            Some(0)
        } else {
            body.size_hint().exact()
        };
        let (status, fields) = (response.status(), response.headers());
        framing::judge(self.asked, self.switches, status, fields, exact)
    }
}

/// Makes the fields of a response say how it is sent. What is left out of them hyper says.
fn obey(fields: &mut HeaderMap, framing: Framing) {
    if framing.is_coded {
        warn!("the Transfer-Encoding of a response is left out: it is the server's to say");
        fields.remove(TRANSFER_ENCODING);
    }
    if framing.is_hidden {
        framing::unhide(fields);
    }
    if !framing.agrees {
        match framing.length {
            Some(length) => drop(fields.insert(CONTENT_LENGTH, length.into())),
            None => drop(fields.remove(CONTENT_LENGTH)),
        }
    }
}

/// The status of a service's error. It is logged, as no layer will see it.
fn failed(error: &BoxError) -> StatusCode {
    let status = status_of(&**error);
    if status.is_server_error() {
        error!(error = &**error as &dyn std::error::Error, "service failed");
    }
    status
}
