//! Responses from their parts.

use std::io;

use bytes::Bytes;
use gateway_core::FailedBy;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::body::ResponseBody;
use crate::lookup::file_request::FileRequest;

pub(crate) fn response(
    status: StatusCode,
    head: HeaderMap,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = head;
    response
}

/// A bare status, with its reason phrase as text. A site's error pages may replace the text of an error.
pub(crate) fn plain(request: &FileRequest<'_>, status: StatusCode) -> Response<ResponseBody> {
    let answer = status_as_text(request, status);
    if is_error(status) {
        FailedBy::bare().attach(answer)
    } else {
        answer
    }
}

/// As [`plain`], with the error behind it.
pub(crate) fn plain_with(
    request: &FileRequest<'_>,
    status: StatusCode,
    error: io::Error,
) -> Response<ResponseBody> {
    FailedBy::bare_with(error).attach(status_as_text(request, status))
}

/// As [`plain`], without text, where the request is no longer at hand.
pub(crate) fn empty(status: StatusCode) -> Response<ResponseBody> {
    let answer = response(status, HeaderMap::new(), ResponseBody::empty());
    FailedBy::bare().attach(answer)
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn status_as_text(request: &FileRequest<'_>, status: StatusCode) -> Response<ResponseBody> {
    let text = match status.canonical_reason() {
        Some(reason) => Bytes::from(format!("{} {reason}\n", status.as_u16())),
        None => Bytes::from(format!("{}\n", status.as_u16())),
    };
    text_response(
        request,
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        text,
    )
}

/// An answer with a generated text.
pub(crate) fn text_response(
    request: &FileRequest<'_>,
    status: StatusCode,
    kind: HeaderValue,
    text: Bytes,
) -> Response<ResponseBody> {
    let mut head = HeaderMap::with_capacity(8);
    head.insert(header::CONTENT_TYPE, kind);
    head.insert(header::CONTENT_LENGTH, text.len().into());
    head.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let body = if request.is_head() {
        ResponseBody::empty()
    } else {
        ResponseBody::full(text)
    };
    response(status, head, body)
}
