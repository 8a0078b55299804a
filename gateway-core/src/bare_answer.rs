//! Bare answers: a status and its name, which a site's error pages may replace. For the crates of this workspace: no part of the
//! contract.

use http::{HeaderValue, StatusCode, header};

use crate::error::status_of;
use crate::{BoxError, FailedBy, Response};

/// A status alone.
#[must_use]
pub fn of_status<B: From<String>>(status: StatusCode) -> http::Response<B> {
    let text = format!("{}\n", status.canonical_reason().unwrap_or("Error"));
    let mut response = http::Response::new(text.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    FailedBy::bare().attach(response)
}

/// The status of an error, and nothing of the error itself but what [`FailedBy`] carries.
#[must_use]
pub fn of_error(error: BoxError) -> Response {
    let response = of_status(status_of(&*error));
    FailedBy::bare_with(error).attach(response)
}

/// An axum handler may return `Result<_, Error>`: `?` remembers its line, the client gets the status and its name, and the
/// response carries the error as [`FailedBy`] for layers around it.
///
/// ```
/// use axum::{Router, routing::get};
/// use gateway_core::Error;
///
/// async fn show_order() -> Result<String, Error> {
///     let cents: u32 = "12.50".parse()?;
///     Ok(format!("{cents}"))
/// }
///
/// let app: Router = Router::new().route("/orders/7", get(show_order));
/// ```
#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for crate::Error {
    fn into_response(self) -> axum_core::response::Response {
        of_error(self.into()).map(axum_core::body::Body::new)
    }
}

#[cfg(all(test, feature = "axum"))]
mod tests {
    use axum_core::response::IntoResponse as _;

    use http::StatusCode;

    use super::*;
    use crate::Error;

    #[test]
    fn an_axum_handler_that_returns_an_error_leaves_its_place_in_the_response() {
        let failed = || -> Result<u32, Error> { Ok("seven".parse::<u32>()?) };
        let line = line!() - 1;
        let response = failed().unwrap_err().into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let failed_by = FailedBy::of(response.extensions()).unwrap();
        assert_eq!(failed_by.location().unwrap().line(), line);
        assert!(failed_by.is_bare());
    }
}
