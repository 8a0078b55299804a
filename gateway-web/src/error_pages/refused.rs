//! Bare answers for layers of other crates.

use gateway_core::{BoxError, FailedBy};
use http::{Response, StatusCode};

/// 403 Forbidden without a body, because of an error, which [`ErrorPages`](super::ErrorPages) around it give the site's
/// page. For layers that ask for the answer of what they refuse, as tower-http's `CsrfLayer` does:
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Application, Environ, Reply};
/// use gateway_web::error_pages::forbidden;
/// use gateway_web::{ErrorPage, ErrorPages};
/// use tower::ServiceBuilder;
/// use tower_http::csrf::CsrfLayer;
///
/// fn save(_: &mut Environ) -> Reply {
///     Reply::text("saved")
/// }
///
/// let site = ServiceBuilder::new()
///     .layer(ErrorPages::new(|page: &ErrorPage<'_>| format!("{} in this shop", page.reason())))
///     .layer(CsrfLayer::new().with_rejection_response(forbidden))
///     .service(save.into_inline_service().answer_errors());
/// let client = Client::of_service(site);
/// let post = || client.post("/save").header("host", "shop.example");
/// post().header("origin", "http://shop.example").send().assert_text("saved");
/// post().header("origin", "http://evil.example").send().assert_status(403).assert_text("Forbidden in this shop");
/// ```
pub fn forbidden<E: Into<BoxError>, B: Default>(error: E) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::FORBIDDEN;
    FailedBy::bare_with(error).attach(response)
}
