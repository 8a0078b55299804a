use gateway_web::around::{Around, AroundFuture};
use gateway_web::auth::BasicAuth;
use gateway_web::cookies::{CookieKeys, SameSite, SetCookie, WeakSecret};
use gateway_web::error_pages::{ErrorPages, ErrorPagesFuture, ErrorPagesService, PageBody};
use gateway_web::forms::{Form, FormError, FormErrors};
use gateway_web::json::JsonError;
use gateway_web::multipart::{Multipart, MultipartError, Part, Upload, UploadLimits, UploadedFile};
use gateway_web::session::{Flash, Session, SessionLayer};
use gateway_web::{Download, Site, SiteFuture, StateLayer, Templates, Version};

fn sent<T: Send>() {}
fn shared<T: Send + Sync>() {}
fn cloned<T: Clone>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn what_crosses_threads_may_cross_them() {
    shared::<CookieKeys>();
    shared::<ErrorPages>();
    shared::<ErrorPagesService<()>>();
    shared::<Around<SessionLayer, ()>>();
    shared::<Session>();
    shared::<SessionLayer>();
    shared::<Site>();
    shared::<StateLayer<String>>();
    shared::<Templates>();
    sent::<AroundFuture<SessionLayer, ()>>();
    sent::<ErrorPagesFuture<()>>();
    sent::<SiteFuture>();
    sent::<Multipart>();
    sent::<Part>();
    sent::<Upload>();
    sent::<UploadedFile>();
    sent::<Download>();
    sent::<PageBody<gateway_core::Body>>();
}

#[test]
fn layers_and_values_are_cloned() {
    cloned::<(CookieKeys, ErrorPages, Session, SessionLayer, Templates)>();
    cloned::<StateLayer<std::sync::Mutex<()>>>();
    cloned::<(BasicAuth, Flash, Form, FormErrors, SameSite, SetCookie)>();
    cloned::<(Site, UploadLimits, Version)>();
}

#[test]
fn every_error_is_one() {
    error::<FormError>();
    error::<JsonError>();
    error::<MultipartError>();
    error::<WeakSecret>();
}
