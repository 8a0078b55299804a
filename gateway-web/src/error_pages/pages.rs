//! How a site's errors look.

use std::fmt;
use std::sync::Arc;

use gateway_core::{Environ, Error, FailedBy, IntoReply, RequestExt, Response};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};

use super::body::PageBody;
use super::page::{Asked, ErrorPage, Format, reason};

/// One place where a site says how its errors look: its 404, 405, 413 and 500.
///
/// A component that answers with no more than a status (a router's 404, a view's error, a file that is not there, a
/// panic in production) says so of its response, with [`FailedBy::bare`]. In its place this layer sends a page of the
/// site.
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Environ, Error, Reply, escape};
/// use gateway_web::{ErrorPage, ErrorPages};
/// use tower_layer::Layer;
///
/// fn page(page: &ErrorPage<'_>) -> Reply {
///     Reply::html(format!("<h1>{}</h1><a href=\"{}/\">Home</a>", page.reason(), escape(page.script_name())))
/// }
///
/// fn find(_: &mut Environ) -> Result<Reply, Error> {
///     Err(Error::new(http::StatusCode::NOT_FOUND, "no such book"))
/// }
///
/// let client = Client::new(ErrorPages::new(page).layer(find));
/// client.get("/books/7").send().assert_status(404).assert_text("<h1>Not Found</h1><a href=\"/\">Home</a>");
/// let json = client.get("/books/7").header("accept", "application/json").send();
/// json.assert_header("content-type", "application/problem+json");
/// ```
///
/// Around services it goes outside of `ExceptionsLayer`, which answers errors and panics; then its page for developers
/// is seen where it may be seen, for it is not bare. Without that layer, `.answer_errors()` does. Around an application
/// it answers the application's errors itself, and a layer further out still finds them, in [`FailedBy`].
///
/// | the response | what is sent |
/// |---|---|
/// | below 400, or not bare | as it is |
/// | bare, and the client accepts HTML, or says nothing | the page, with the status of the response, whatever the page's own status is |
/// | bare, and the client would rather have JSON | `application/problem+json` (RFC 9457) with `status`, `title`, and the `id` of what was logged |
/// | bare, and the client accepts neither | as it is |
/// | bare, to HEAD | the head of the page: its Content-Type and Content-Length, and no body |
/// | bare, and the page fails | as it is, with the page's error in [`FailedBy`] if there was none |
///
/// The headers that describe the old content go (`Content-Type`, `Content-Length`, `Content-Encoding`,
/// `Content-Language`, `Content-Disposition`, `ETag`, `Last-Modified`, `Accept-Ranges`, digests), those of the answer stay
/// (`Allow`, `WWW-Authenticate`, `Retry-After`, `Content-Range`, `Set-Cookie`). `Vary` gains `Accept`. Headers of the page
/// are added, in place of those of the same name.
///
/// The page is made where the response is polled, and is sent whole: it must not block, and not stream. A template is
/// quick enough; what needs a database belongs into a view.
#[derive(Clone)]
pub struct ErrorPages {
    render: Arc<Render>,
}

type Render = dyn Fn(&ErrorPage<'_>) -> Result<Response, Error> + Send + Sync;

impl ErrorPages {
    /// Pages by this function.
    pub fn new<F, R>(page: F) -> Self
    where
        F: Fn(&ErrorPage<'_>) -> R + Send + Sync + 'static,
        R: IntoReply,
    {
        Self {
            render: Arc::new(move |error| page(error).into_reply()),
        }
    }

    pub(super) fn asked<B>(request: &Request<B>) -> Asked {
        Asked {
            method: request.method().clone(),
            script_name: request.raw_script_name().into(),
            path_info: request.raw_path_info().into(),
            format: Format::accepted(request.headers()),
        }
    }

    pub(super) fn asked_by(environ: &Environ) -> Asked {
        Asked {
            method: environ.method().clone(),
            script_name: environ.raw_script_name().into(),
            path_info: environ.raw_path_info().into(),
            format: Format::accepted(environ.headers()),
        }
    }

    /// The response, with a page in place of its body if it is bare.
    pub(super) fn dress<B>(
        &self,
        asked: &Asked,
        response: http::Response<B>,
    ) -> http::Response<PageBody<B>> {
        let failed_by = FailedBy::of(response.extensions());
        let is_bare = failed_by.is_some_and(FailedBy::is_bare);
        let status = response.status();
        if !is_bare || !(status.is_client_error() || status.is_server_error()) {
            return response.map(PageBody::inner);
        }
        match asked.format {
            Format::Bare => varied(response.map(PageBody::inner)),
            Format::Problem => {
                let id = failed_by.and_then(FailedBy::id);
                let page = Response::new(problem(status, id).into());
                dressed(asked, response, page, "application/problem+json")
            }
            Format::Html => {
                let page = ErrorPage {
                    status,
                    request: asked,
                    headers: response.headers(),
                    failed_by,
                };
                match (self.render)(&page) {
                    Ok(page) => dressed(asked, response, page, "text/html; charset=utf-8"),
                    Err(error) => undressed(response, error),
                }
            }
        }
    }
}

/// RFC 9457 section 3. `type` is `about:blank`, which is the default, so `title` is the status in words.
fn problem(status: StatusCode, id: Option<&str>) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let id = id.filter(|id| id.bytes().all(plain));
    let id = id.map_or_else(String::new, |id| format!(",\"id\":\"{id}\""));
    format!(
        "{{\"title\":\"{}\",\"status\":{}{id}}}",
        reason(status),
        status.as_u16()
    )
}

/// The fields that describe the content (RFC 9110 sections 8, 14.3 and 6.6, RFC 9530).
const OF_THE_CONTENT: [&str; 14] = [
    "accept-ranges",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-type",
    "etag",
    "last-modified",
    "repr-digest",
    "trailer",
    "transfer-encoding",
];

fn dressed<B>(
    asked: &Asked,
    response: http::Response<B>,
    page: Response,
    content_type: &'static str,
) -> http::Response<PageBody<B>> {
    let (head, body) = page.into_parts();
    let content = match body.into_bytes() {
        Ok(content) => content,
        Err(error) => return undressed(response, Error::from_boxed(error)),
    };
    let (mut parts, _) = response.into_parts();
    for name in OF_THE_CONTENT {
        parts.headers.remove(name);
    }
    let own: Vec<HeaderName> = head.headers.keys().cloned().collect();
    for name in own {
        if name != header::SET_COOKIE && name != header::VARY {
            parts.headers.remove(&name);
        }
        for value in head.headers.get_all(&name) {
            parts.headers.append(name.clone(), value.clone());
        }
    }
    let content_type = HeaderValue::from_static(content_type);
    parts
        .headers
        .entry(header::CONTENT_TYPE)
        .or_insert(content_type);
    parts
        .headers
        .insert(header::CONTENT_LENGTH, content.len().into());
    let body = match asked.method {
        Method::HEAD => PageBody::page(bytes::Bytes::new()),
        _ => PageBody::page(content),
    };
    varied(http::Response::from_parts(parts, body))
}

/// The page failed, so what was there is sent.
fn undressed<B>(response: http::Response<B>, error: Error) -> http::Response<PageBody<B>> {
    let failed_by = FailedBy::of(response.extensions());
    let has_error = failed_by.is_some_and(|failed_by| failed_by.error().is_some());
    let response = varied(response.map(PageBody::inner));
    if has_error {
        response
    } else {
        FailedBy::bare_with(error).attach(response)
    }
}

/// Says that another `Accept` would have had another answer.
fn varied<B>(mut response: http::Response<B>) -> http::Response<B> {
    let accept = HeaderValue::from_static("accept");
    response.headers_mut().append(header::VARY, accept);
    response
}

impl fmt::Debug for ErrorPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPages").finish_non_exhaustive()
    }
}
