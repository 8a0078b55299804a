//! Every public error is a `std::error::Error`: it goes through `?`, into a box, and across threads.

use std::error::Error;

fn boxes<E: Error + Send + Sync + 'static>() {}
fn is_one<E: Error + 'static>() {}

#[test]
fn every_public_error_is_a_standard_one() {
    boxes::<gateway_core::developer::Reason>();
    boxes::<gateway_core::error::Failure>();
    boxes::<gateway_core::error::Foreign>();
    boxes::<gateway_core::error::Reported>();
    boxes::<gateway_core::paths::InvalidPrefix>();
    boxes::<gateway_core::paths::InvalidScriptName>();
    boxes::<gateway_core::validator::Breach>();

    boxes::<gateway_server::cgi_environ::Refused>();
    boxes::<gateway_server::fastcgi::record::Malformed>();
    boxes::<gateway_server::http::RequestBodyError>();
    boxes::<gateway_server::scgi::Malformed>();

    boxes::<gateway_web::cookies::WeakSecret>();
    boxes::<gateway_web::forms::FormError>();
    boxes::<gateway_web::json::JsonError>();
    boxes::<gateway_web::multipart::MultipartError>();

    boxes::<middleware_exceptions::BodyError>();

    boxes::<middleware_static::layer::BodyError>();
    boxes::<middleware_static::layer::InvalidPrefix>();
    boxes::<middleware_static::path::Refusal>();

    boxes::<panic_capture::Missing>();
    // The payload of a panic is not `Sync`.
    is_one::<panic_capture::Caught>();

    boxes::<router::BuildError>();
    boxes::<router::ParseError>();
    boxes::<router::UrlForError>();
}

/// `Error` itself is none, or `?` could not take every other error. In a box it is one: `Failure`.
#[test]
fn the_error_of_applications_is_a_standard_one_in_a_box() {
    let boxed: Box<dyn Error + Send + Sync> = gateway_core::Error::msg("no").into();
    assert!(boxed.is::<gateway_core::error::Failure>());
}
