//! From a report to bytes.

mod curl;
mod editor;
mod html;
pub(crate) mod page;
mod problem;
pub(crate) mod recent;
pub(crate) mod text;

use bytes::Bytes;
use gateway_core::FailedBy;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use panic_capture::{discard, guard};

use crate::{
    render::page::{Page, Rendered, Renderer},
    report::Report,
    request::{accept::Format, gate::Verdict},
};

/// The response to a failure. Nothing of the response that failed is in it.
pub(crate) fn response(
    report: &Report,
    verdict: &Verdict,
    format: Format,
    renderer: &Renderer,
) -> Response<Bytes> {
    let page = Page {
        report,
        verdict,
        format,
    };
    let own = renderer.own.as_ref().and_then(|render| {
        guard(|| render(&page)).unwrap_or_else(|caught| {
            discard(caught.payload);
            None
        })
    });
    // A site's error pages may dress what says no more than that it failed; never what tells a developer something.
    let is_bare = own.is_none() && matches!(verdict, Verdict::Production);
    let rendered = own.unwrap_or_else(|| built_in(&page, renderer));
    let response = build(report.status(), rendered);
    if is_bare {
        FailedBy::bare().attach(response)
    } else {
        response
    }
}

fn built_in(page: &Page<'_>, renderer: &Renderer) -> Rendered {
    let Page {
        report,
        verdict,
        format,
    } = *page;
    match (verdict, format) {
        // `Accept` is not looked at in production: one text, one length, the same header names.
        (Verdict::Production, _) => {
            Rendered::new(Format::Text.content_type(), text::fixed(page.id()))
        }
        (Verdict::Withheld(reason), Format::Problem) => {
            let json = problem::withheld(page.id(), page.status(), reason);
            Rendered::new(format.content_type(), json)
        }
        (Verdict::Withheld(reason), _) => {
            let text = format!("{}\nNo details here: {reason}\n", text::fixed(page.id()));
            Rendered::new(Format::Text.content_type(), text)
        }
        (Verdict::Shown, Format::Text) => Rendered::new(format.content_type(), text::page(report)),
        (Verdict::Shown, Format::Problem) => {
            Rendered::new(format.content_type(), problem::page(report))
        }
        (Verdict::Shown, Format::Html) => {
            let editor = match renderer.editor.as_deref() {
                None => editor::at_hand(),
                Some(url) => Some(url).filter(|url| !url.is_empty()),
            };
            let html = html::page(report, editor);
            let mut rendered = Rendered::new(format.content_type(), html.page);
            rendered.policy = HeaderValue::try_from(html.policy).ok();
            rendered
        }
    }
}

/// An answer that is no failure: the status and its name.
pub(crate) fn plain(status: StatusCode) -> Response<Bytes> {
    let text = match status.canonical_reason() {
        // RFC 9110 sections 15.3.5, 15.4.5 and 15.2: no content.
        _ if status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || status.is_informational() =>
        {
            String::new()
        }
        Some(reason) => format!("{} {reason}\n", status.as_str()),
        None => format!("{}\n", status.as_str()),
    };
    FailedBy::bare().attach(build(
        status,
        Rendered::new(Format::Text.content_type(), text),
    ))
}

/// Headers that are about the content, beside those that every page of ours sets.
const OF_CONTENT: [HeaderName; 13] = [
    header::ACCEPT_RANGES,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("repr-digest"),
];

/// The headers of a response that keeps its status and gets other content (RFC 9110 section 8).
pub(crate) fn replace_content(headers: &mut HeaderMap, page: HeaderMap) {
    for name in OF_CONTENT {
        headers.remove(name);
    }
    for (name, value) in page {
        if let Some(name) = name {
            headers.insert(name, value);
        }
    }
}

fn build(status: StatusCode, rendered: Rendered) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, rendered.content_type);
    headers.insert(header::CONTENT_LENGTH, rendered.body.len().into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some(policy) = rendered.policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    *response.body_mut() = rendered.body;
    response
}
